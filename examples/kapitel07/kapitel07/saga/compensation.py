"""Das Herz des Musters: Kompensationen vormerken und ausführen, bis jede erledigt ist.

Die Datei kennt weder Aufträge noch Dienste; Sie können sie unverändert übernehmen.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel07.saga.models import CompensationView, Retry, SagaView, Skip

T = TypeVar("T")

SAGA_STATUS = SearchAttributeKey.for_keyword("SagaStatus")
LONGEST_PAUSE = timedelta(days=1)


class SagaStatus(StrEnum):
    """Wo die Saga steht; danach filtert die Web UI."""

    FORWARD = "läuft"
    COMPENSATING = "kompensiert"
    BLOCKED = "wartet auf Eingriff"
    ROLLED_BACK = "zurückgerollt"
    REMAINDER = "zurückgerollt mit Rest"


class State(StrEnum):
    """Der Stand einer einzelnen Kompensation."""

    REGISTERED = "vorgemerkt"
    RUNNING = "läuft"
    BLOCKED = "wartet auf Eingriff"
    DONE = "erledigt"
    SKIPPED = "ausgelassen"


@dataclass
class Compensation:
    """Eine vorgemerkte Kompensation und was aus ihr wurde."""

    step: str
    undo: Callable[[], Awaitable[None]]
    state: State = State.REGISTERED
    failed_rounds: int = 0
    error: str = ""
    decision: Retry | Skip | None = None

    def block(self, error: str) -> None:
        """Eine Runde ist gescheitert; ab jetzt darf ein Mensch entscheiden."""
        self.state, self.error, self.decision = State.BLOCKED, error, None
        self.failed_rounds += 1

    @property
    def waiting(self) -> bool:
        """Wartet sie auf eine Entscheidung, die noch niemand getroffen hat?"""
        return self.state is State.BLOCKED and self.decision is None

    @property
    def settled(self) -> bool:
        """Ist nichts mehr zu tun?"""
        return self.state in (State.DONE, State.SKIPPED)


# --8<-- [start:shield]
async def finish_despite_cancel(work: Coroutine[Any, Any, T]) -> T:
    """Führt `work` zu Ende, auch wenn währenddessen ein Abbruch eintrifft.

    `asyncio.shield` allein genügt nicht: Es schützt die Arbeit, aber der Aufrufer
    wartet danach nicht mehr.
    """
    task = asyncio.create_task(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)  # (!)
    return task.result()


# --8<-- [end:shield]


class Saga:
    """Vorgemerkte Kompensationen und der Weg zurück."""

    def __init__(self, *, parallel: bool, first_pause: timedelta) -> None:
        """`parallel` kompensiert alles gleichzeitig; `first_pause` ist die erste Pause
        nach einer Runde.
        """
        self._parallel = parallel
        self._first_pause = first_pause
        self._registered: list[Compensation] = []
        self._status = SagaStatus.FORWARD

    # --8<-- [start:register]
    def register(self, step: str, undo: Callable[[], Awaitable[None]]) -> None:
        """Merkt vor, wie `step` zurückzunehmen ist: vor dem Schritt, nicht danach.

        Ein Schritt, dessen Antwort ausbleibt, kann trotzdem gewirkt haben. `undo` muss
        deshalb auch dann gelingen, wenn es nichts zurückzunehmen gibt.
        """
        self._registered.append(Compensation(step, undo))

    # --8<-- [end:register]

    # --8<-- [start:compensate]
    async def compensate(self) -> None:
        """Nimmt alles Vorgemerkte zurück; endet erst, wenn nichts mehr offen ist."""
        self._set_status(SagaStatus.COMPENSATING)
        newest_first = list(reversed(self._registered))
        if self._parallel:
            await asyncio.gather(*(self._settle(each) for each in newest_first))
        else:
            for each in newest_first:
                await self._settle(each)
        skipped = any(each.state is State.SKIPPED for each in newest_first)
        self._set_status(SagaStatus.REMAINDER if skipped else SagaStatus.ROLLED_BACK)

    # --8<-- [end:compensate]

    # --8<-- [start:settle]
    async def _settle(self, compensation: Compensation) -> None:
        while not compensation.settled:  # (!)
            compensation.state = State.RUNNING
            try:
                await compensation.undo()
                compensation.state = State.DONE
            except ActivityError as error:
                compensation.block(str(error.cause or error))
                await self._wait_for_operator(compensation)
            self._show_trouble()

    # --8<-- [end:settle]

    # --8<-- [start:wait]
    async def _wait_for_operator(self, compensation: Compensation) -> None:
        self._show_trouble()
        pause = min(
            self._first_pause * 2 ** (compensation.failed_rounds - 1), LONGEST_PAUSE
        )
        with contextlib.suppress(asyncio.TimeoutError):
            await workflow.wait_condition(
                lambda: compensation.decision is not None, timeout=pause
            )
        if isinstance(compensation.decision, Skip):
            compensation.state = State.SKIPPED

    # --8<-- [end:wait]

    # --8<-- [start:operator]
    def check_decision(self, decision: Retry | Skip) -> None:
        """Lehnt ab, was zu keiner wartenden Kompensation passt."""
        if decision.step not in [c.step for c in self._registered if c.waiting]:
            raise ApplicationError(
                f"„{decision.step}“ wartet nicht auf einen Eingriff.",
                type="KeinEingriffNoetig",
            )
        if not decision.operator.strip():
            raise ApplicationError(
                "Der Eingriff braucht einen Namen.", type="NameFehlt"
            )
        if isinstance(decision, Skip) and not decision.reason.strip():
            raise ApplicationError(
                "Auslassen braucht eine Begründung.", type="BegruendungFehlt"
            )

    # --8<-- [end:operator]

    # --8<-- [start:decide]
    async def decide(self, decision: Retry | Skip) -> CompensationView:
        """Führt den Eingriff aus und meldet, was dabei herauskam."""
        compensation = next(c for c in self._registered if c.step == decision.step)
        rounds = compensation.failed_rounds
        compensation.decision = decision
        await workflow.wait_condition(
            lambda: compensation.settled or compensation.failed_rounds > rounds
        )
        return _view(compensation)

    # --8<-- [end:decide]

    def view(self) -> SagaView:
        """Der Stand für eine Query."""
        return SagaView(self._status, [_view(each) for each in self._registered])

    # --8<-- [start:status]
    def _show_trouble(self) -> None:
        trouble = [c for c in self._registered if c.failed_rounds and not c.settled]
        workflow.set_current_details(
            "\n".join(f"- **{c.step}** wartet auf Eingriff: {c.error}" for c in trouble)
        )
        self._set_status(SagaStatus.BLOCKED if trouble else SagaStatus.COMPENSATING)

    def _set_status(self, status: SagaStatus) -> None:
        if status is not self._status:
            self._status = status
            workflow.upsert_search_attributes([SAGA_STATUS.value_set(status)])

    # --8<-- [end:status]


def _view(compensation: Compensation) -> CompensationView:
    return CompensationView(
        compensation.step,
        compensation.state,
        compensation.failed_rounds,
        compensation.error,
    )
