"""Version 1 des Kontos: Beträge in Euro, ohne Gedächtnis für Buchungsnummern."""

from typing import Any

from temporalio import workflow

BOOKINGS_PER_RUN = 3


@workflow.defn
class AccountWorkflow:
    """Endet mit dem Stand in Form 1, sobald das Konto geschlossen wird."""

    @workflow.init
    def __init__(self, account: dict[str, Any]) -> None:
        self._account = dict(account)
        self._bookings = 0
        self._closed = False

    @workflow.run
    async def run(self, account: dict[str, Any]) -> dict[str, Any]:
        await workflow.wait_condition(
            lambda: self._closed or self._bookings >= BOOKINGS_PER_RUN
        )
        if not self._closed:
            workflow.continue_as_new(self._account)
        return self._account

    @workflow.signal
    def book(self, booking: dict[str, Any]) -> None:
        """Verbucht einen Betrag in Euro."""
        self._account["balance"] += booking["amount"]
        self._bookings += 1

    @workflow.signal
    def close(self) -> None:
        """Schließt das Konto."""
        self._closed = True
