"""Die Activities: abbuchen, versenden, erstatten."""

import bank
from temporalio import activity
from temporalio.exceptions import ApplicationError


class Desk:
    """Der Platz, an dem gebucht wird; `book` ist das Buch der Bank."""

    def __init__(self, book: str) -> None:
        self._book = book

    @activity.defn
    def charge(self, order_id: str, means: str, cents: int) -> None:
        """Bucht `cents` ab, von der Karte oder Geschenkkarte `means`."""
        key = f"{activity.info().workflow_id}/{means}/abbuchung"
        bank.post(self._book, key, f"{order_id} {means}", -cents)

    @activity.defn
    def refund(self, order_id: str, means: str, cents: int) -> None:
        """Schreibt `cents` wieder gut."""
        info = activity.info()
        # Lücke: Was davon ist in der nächsten Runde noch dasselbe?
        key = f"{info.workflow_run_id}/{info.activity_id}"
        bank.post(self._book, key, f"{order_id} {means}", cents)

    @activity.defn
    def ship_parcel(self, order_id: str) -> None:
        """Versendet; diese Aufträge gehen alle nach Helgoland und werden abgelehnt."""
        raise ApplicationError("Helgoland wird nicht beliefert.", non_retryable=True)
