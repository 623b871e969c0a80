"""Die Activity: Sie fragt den Schalter, ruft an und meldet, wie es ausging."""

from datetime import timedelta

import versanddienst
from schalter import Breaker
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory


class ParcelDesk:
    """Der Platz, an dem Pakete angemeldet werden; `book` ist das Buch der Prüfung."""

    def __init__(self, book: str) -> None:
        self._book = book
        self._breaker = Breaker()

    @activity.defn
    async def register_parcel(self, order_id: str) -> str:
        """Meldet das Paket an und gibt seine Nummer zurück."""
        now = activity.info().started_time.timestamp()  # die Uhr des Servers
        wait = self._breaker.ask(now)
        if wait > 0:
            raise ApplicationError(
                "Der Schalter ist offen.",
                type="SchalterOffen",
                next_retry_delay=timedelta(seconds=wait),
                category=ApplicationErrorCategory.BENIGN,
            )
        try:
            parcel = await versanddienst.register(self._book, order_id)
        except versanddienst.RejectedError:
            self._breaker.answered()
            raise
        except versanddienst.UnavailableError:
            self._breaker.failed(now)
            raise
        self._breaker.answered()
        return parcel
