"""Die Activity: Sie meldet ein Paket an, wenn der Schalter es erlaubt."""

from datetime import timedelta

import schalter
import versanddienst
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory


class ParcelDesk:
    """Der Platz, an dem Pakete angemeldet werden; `book` ist das Buch der Prüfung."""

    def __init__(self, book: str) -> None:
        self._book = book

    @activity.defn
    def register_parcel(self, order_id: str) -> str:
        """Meldet das Paket an und gibt seine Nummer zurück."""
        wait = schalter.ask(self._book, order_id)
        if wait > 0:
            raise ApplicationError(
                "Der Schalter ist offen.",
                type="SchalterOffen",
                next_retry_delay=timedelta(seconds=wait),
                category=ApplicationErrorCategory.BENIGN,
            )
        return versanddienst.register(self._book, order_id)
