"""Ein Kundenkonto, das jede frühere Form seiner Daten lesen kann."""

from typing import Any

from temporalio import workflow

CURRENT = 3
BOOKINGS_PER_RUN = 3


def read(data: dict[str, Any]) -> dict[str, Any]:
    """Hebt ein Konto oder eine Buchung in Form 3."""
    schema = data.get("schema", 1)
    if schema > CURRENT:
        raise ValueError(f"Form {schema} kennt dieser Code nicht")
    lifted = dict(data)
    for euros, cents in (("balance", "balance_cents"), ("amount", "amount_cents")):
        if euros in lifted:
            lifted[cents] = round(lifted.pop(euros) * 100)
    lifted["schema"] = CURRENT
    return lifted


@workflow.defn
class AccountWorkflow:
    """Endet mit dem Stand in Form 3, sobald das Konto geschlossen wird."""

    @workflow.init
    def __init__(self, stored: dict[str, Any]) -> None:
        self._account = {"booked": [], "language": "de"} | read(stored)
        self._bookings = 0
        self._closed = False

    @workflow.run
    async def run(self, stored: dict[str, Any]) -> dict[str, Any]:
        await workflow.wait_condition(
            lambda: self._closed or self._bookings >= BOOKINGS_PER_RUN
        )
        if not self._closed:
            workflow.continue_as_new(self._account)
        return self._account

    @workflow.signal
    def book(self, sent: dict[str, Any]) -> None:
        """Verbucht einen Betrag, jede Nummer nur einmal."""
        booking = read(sent)
        if booking["number"] not in self._account["booked"]:
            self._account["balance_cents"] += booking["amount_cents"]
            self._account["booked"] = [*self._account["booked"], booking["number"]]
            self._bookings += 1

    @workflow.signal
    def close(self) -> None:
        """Schließt das Konto."""
        self._closed = True

    @workflow.query
    def state(self) -> dict[str, Any]:
        """Der Stand in Form 3."""
        return self._account
