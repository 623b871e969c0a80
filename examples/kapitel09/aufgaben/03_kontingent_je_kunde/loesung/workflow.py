"""Das Kontingent eines Kunden."""

from dataclasses import dataclass

from temporalio import workflow

MINUTE, DAY = 60, 24 * 60 * 60


@dataclass
class State:
    """Was in die neue Event History mit umzieht, in der Reihenfolge der Vergabe."""

    permits: dict[str, float]


@workflow.defn
class QuotaWorkflow:
    """Vergibt Uhrzeiten: drei in 60 s, zehn in 24 Stunden."""

    @workflow.init
    def __init__(self, state: State | None = None) -> None:
        self._permits = dict(state.permits) if state else {}
        self._granted = 0

    @workflow.update
    def permit(self, request_id: str) -> float:
        """Die früheste erlaubte Uhrzeit; dieselbe Frage bekommt dieselbe Antwort."""
        if request_id in self._permits:
            return self._permits[request_id]
        now = workflow.time()
        kept = {key: at for key, at in self._permits.items() if at > now - DAY}
        times = list(kept.values())
        slot = max([now, *times[-1:]])
        if len(times) >= 3:
            slot = max(slot, times[-3] + MINUTE)
        if len(times) >= 10:
            slot = max(slot, times[-10] + DAY)
        self._permits = {**kept, request_id: slot}
        self._granted += 1
        return slot

    @workflow.run
    async def run(self, state: State | None = None) -> None:
        """Läuft ohne Ende, in immer neuen Event Histories."""
        await workflow.wait_condition(lambda: self._granted >= 12)
        workflow.continue_as_new(State(self._permits))
