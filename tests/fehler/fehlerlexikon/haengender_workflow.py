"""Eine gewöhnliche Ausnahme hält den Workflow an, statt ihn scheitern zu lassen."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError

PRICES = {"Leuchtturm": 2495}


@workflow.defn(name="QuotePrice")
class Wrong:
    """eine gewöhnliche Ausnahme als fachliches Nein."""

    # --8<-- [start:falsch]
    @workflow.run
    async def run(self, article: str) -> int:
        """Gibt den Preis in Cent zurück."""
        if article not in PRICES:
            raise ValueError(f"„{article}“ hat keinen Preis.")  # (!)
        return PRICES[article]

    # --8<-- [end:falsch]


@workflow.defn(name="QuotePrice")
class Right:
    """das fachliche Nein als ApplicationError."""

    # --8<-- [start:richtig]
    @workflow.run
    async def run(self, article: str) -> int:
        """Gibt den Preis in Cent zurück."""
        if article not in PRICES:
            raise ApplicationError(f"„{article}“ hat keinen Preis.", type="PreisFehlt")  # (!)
        return PRICES[article]

    # --8<-- [end:richtig]
