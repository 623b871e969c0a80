"""Ein Argument oder Ergebnis, für das JSON keine Form kennt."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from temporalio import activity, workflow


# --8<-- [start:falsch]
@dataclass(frozen=True)
class WrongInvoice:
    """Eine Rechnung; der Betrag in Euro."""

    number: str
    amount: Decimal  # (!)


# --8<-- [end:falsch]


# --8<-- [start:richtig]
@dataclass(frozen=True)
class Invoice:
    """Eine Rechnung; der Betrag in ganzen Cent."""

    number: str
    amount_cents: int  # (!)


# --8<-- [end:richtig]


@activity.defn
async def read_invoice_wrong(number: str) -> WrongInvoice:
    """Liest eine Rechnung; ändert nichts."""
    return WrongInvoice(number, Decimal("49.90"))


@activity.defn
async def read_invoice(number: str) -> Invoice:
    """Liest eine Rechnung; ändert nichts."""
    return Invoice(number, 4990)


@workflow.defn
class BookInvoice:
    """Bekommt die Rechnung als Argument, mal falsch, mal richtig."""

    @workflow.run
    async def run(self, invoice: Invoice) -> int:
        """Gibt den Betrag in Cent zurück."""
        return invoice.amount_cents


@workflow.defn
class FetchInvoice:
    """Bekommt die Rechnung von einer Activity, deren Namen das Argument nennt."""

    @workflow.run
    async def run(self, activity_name: str) -> int:
        """Gibt den Betrag in Cent zurück."""
        invoice: Invoice = await workflow.execute_activity(
            activity_name,
            "R-7",
            result_type=Invoice,
            start_to_close_timeout=timedelta(seconds=10),
        )
        return invoice.amount_cents
