"""Prüfungen zu „Ein neuer Schritt ohne Patch“."""

from temporalio import activity

from dauerlauf.exercises import Bench, Wrong, expect

WORKFLOW = "workflow:OrderWorkflow"


class Steps:
    """Die Schritte, wie der Prüfer sie betreibt; `calls` nennt sie in ihrer Reihenfolge."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    @activity.defn
    async def confirm_order(self, order_id: str) -> None:
        self.calls.append("confirm_order")

    @activity.defn
    async def check_fraud(self, order_id: str) -> bool:
        self.calls.append("check_fraud")
        return not order_id.startswith("VERDACHT")

    @activity.defn
    async def charge_payment(self, order_id: str) -> None:
        self.calls.append("charge_payment")

    @property
    def given(self) -> list[object]:
        return [self.confirm_order, self.check_fraud, self.charge_payment]


async def laufender_auftrag(bench: Bench) -> None:
    """Ein Auftrag, den der alte Code begonnen hat, kommt mit Ihrem an sein Ende."""
    queue, steps = bench.task_queue(), Steps()
    old_code = bench.exercise / "vorgabe"
    async with bench.worker(
        WORKFLOW, given=steps.given, source=old_code, task_queue=queue
    ) as old:
        handle = await old.start("OrderWorkflow", "NL-1007")
        await old.reached(handle, "ActivityTaskCompleted", times=2)
        await old.reached(handle, "WorkflowTaskCompleted", times=3)
        old.kill()
        async with bench.worker(WORKFLOW, task_queue=queue) as new:
            await handle.signal("packed")
            await new.finish(handle)
    expect(
        steps.calls == ["confirm_order", "charge_payment"],
        wo="Schritte des alten Laufs",
        warum=f"Es waren: {', '.join(steps.calls)}. Dieser Lauf hatte schon abgebucht, als Ihr Code ihn übernahm.",
        weiter="Wer die Stelle mit altem Code hinter sich hat, darf dort nichts Neues tun.",
    )


async def neuer_auftrag(bench: Bench) -> None:
    """Ein neuer Auftrag wird geprüft, bevor Geld fließt; ein verdächtiger endet FAILED."""
    steps = Steps()
    async with bench.worker(WORKFLOW, given=steps.given) as worker:
        run = await worker.attempt("OrderWorkflow", "VERDACHT-1", start_signal="packed")
        suspicious, steps.calls = steps.calls, []
        fine = await worker.execute("OrderWorkflow", "NL-1008", start_signal="packed")
    expect(
        steps.calls == ["confirm_order", "check_fraud", "charge_payment"],
        wo="Schritte eines neuen Auftrags",
        warum=f"Es waren: {', '.join(steps.calls)}; verlangt sind confirm_order, check_fraud, charge_payment.",
        weiter="Der neue Schritt gehört in den Zweig, den neue Läufe nehmen, und er steht vor dem Abbuchen.",
    )
    expect(
        run.status == "FAILED" and "charge_payment" not in suspicious,
        wo="Ein verdächtiger neuer Auftrag",
        warum=f"Er endet {run.status}, seine Schritte: {', '.join(suspicious)}.",
        weiter="Sagt `check_fraud` nein, endet der Workflow mit einem `ApplicationError`.",
    )
    problem = await bench.replay(WORKFLOW, history=fine.history)
    expect(
        problem is None,
        wo="Replay eines neuen Laufs",
        warum=f"Ihr Code passt nicht zu der History, die er selbst geschrieben hat: {problem}",
        weiter="Entscheiden Sie nach etwas, das in der History steht, nicht nach dem Zustand des Workers.",
    )


CHECKS = (laufender_auftrag, neuer_auftrag)
GIVEN = ("schritte.py",)
START_FAILS = "Der Code verlangt etwas anderes, als in der History steht"
PATCHED = 'if workflow.patched("betrugspruefung"):'
STEP = f"        {PATCHED}\n            await self._check(order_id)\n"
WRONG = (
    Wrong(
        "Schritt wieder entfernt",
        changes=((STEP, ""),),
        expected="Es waren: confirm_order, charge_payment; verlangt",
    ),
    Wrong(
        "deprecate_patch statt patched",
        changes=(
            (
                STEP,
                '        workflow.deprecate_patch("betrugspruefung")\n        await self._check(order_id)\n',
            ),
        ),
        expected="Der Code verlangt etwas anderes, als in der History steht",
    ),
    Wrong(
        "auch das Abbuchen nur in neuen Läufen",
        changes=((f"{STEP}        await", f"{STEP}            await"),),
        expected="Ein Schritt, der in der History steht, fehlt im Code",
    ),
    Wrong(
        "nach dem Replay gefragt",
        changes=((PATCHED, "if not workflow.unsafe.is_replaying():"),),
        expected="Replay eines neuen Laufs",
    ),
    Wrong(
        "nach dem Abbuchen geprüft",
        changes=(
            (STEP, ""),
            (
                "        await workflow.wait_condition",
                f"{STEP}        await workflow.wait_condition",
            ),
        ),
        expected="verlangt sind confirm_order, check_fraud, charge_payment",
    ),
)
