"""Zwei Argumente hintereinander statt einer Dataclass."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def reserve(article: str, quantity: int) -> str:
    """Reserviert Ware; idempotent wäre sie über die Bestellnummer."""
    return f"{quantity} × {article}"


@dataclass(frozen=True)
class Reservation:
    """Was reserviert werden soll."""

    article: str
    quantity: int


@activity.defn(name="reserve")
async def reserve_one_argument(wanted: Reservation) -> str:
    """Reserviert Ware."""
    return f"{wanted.quantity} × {wanted.article}"


@workflow.defn(name="ReserveStock")
class Wrong:
    """Ruft die Activity mit zwei Argumenten auf."""

    # --8<-- [start:falsch]
    @workflow.run
    async def run(self, article: str) -> str:
        """Reserviert zwei Stück."""
        return await workflow.execute_activity(  # type: ignore
            reserve,
            article,
            2,  # (!)
            start_to_close_timeout=timedelta(seconds=10),
        )

    # --8<-- [end:falsch]


@workflow.defn(name="ReserveStock")
class Right:
    """Ruft die Activity mit einer Dataclass auf."""

    # --8<-- [start:richtig]
    @workflow.run
    async def run(self, article: str) -> str:
        """Reserviert zwei Stück."""
        return await workflow.execute_activity(
            reserve_one_argument,
            Reservation(article, 2),  # (!)
            start_to_close_timeout=timedelta(seconds=10),
        )

    # --8<-- [end:richtig]


@workflow.defn(name="ReserveStock")
class WithArgs:
    """Auch richtig, wenn die Activity schon mit zwei Parametern besteht."""

    # --8<-- [start:args]
    @workflow.run
    async def run(self, article: str) -> str:
        """Reserviert zwei Stück."""
        return await workflow.execute_activity(
            reserve,
            args=[article, 2],  # (!)
            start_to_close_timeout=timedelta(seconds=10),
        )

    # --8<-- [end:args]
