"""Prüfungen zu „Der Patch geht in drei Stufen“."""

from temporalio import activity
from temporalio.client import WorkflowHistory

from dauerlauf.exercises import Bench, Failed, Run, Wrong, expect
from dauerlauf.history import event_name
from dauerlauf.history import load as load_history
from dauerlauf.together import together

STAGES = {"Patched": "Stufe 2", "Deprecated": "Stufe 3", "Clean": "Stufe 4"}

MATRIX = {
    "Stufe 1, wartet auf Ware": ("Patched", "Deprecated", "Clean"),
    "Stufe 1, hat bezahlt": ("Patched",),
    "Stufe 2": ("Patched", "Deprecated"),
    "Stufe 3": ("Patched", "Deprecated", "Clean"),
    "Stufe 4": ("Deprecated", "Clean"),
}
"""Zu jeder Event History die Klassen, die sie vertragen."""


@activity.defn
async def confirm_order(order_id: str) -> None:
    """Bestätigt."""


@activity.defn
async def check_fraud(order_id: str) -> None:
    """Prüft auf Betrug."""


@activity.defn
async def charge_payment(order_id: str) -> None:
    """Bucht ab."""


@activity.defn
async def ship_parcel(order_id: str) -> str:
    """Übergibt das Paket."""
    return f"Paket {order_id}"


async def _run(bench: Bench, stage: str) -> Run:
    given = [confirm_order, check_fraud, charge_payment, ship_parcel]
    async with bench.worker(f"stufen:{stage}", given=given) as worker:
        run = await worker.execute("OrderWorkflow", "NL-1007")
    expect(
        run.activities
        == ["confirm_order", "check_fraud", "charge_payment", "ship_parcel"],
        wo=f"stufen.py, {stage}: ein neuer Auftrag",
        warum=f"Seine Schritte sind {', '.join(run.activities)}. Geprüft wird in {STAGES[stage]} jeder neue Auftrag, "
        "einmal und vor dem Abbuchen.",
        weiter=f"Sehen Sie nach, ob `check_fraud` in {stage} zwischen `until_stock` und `pay_and_ship` aufgerufen wird.",
    )
    return run


def _stage_1(bench: Bench) -> dict[str, WorkflowHistory]:
    """Der aufgezeichnete Lauf der Stufe 1, ganz und bis zum Warten auf Ware."""
    paid = load_history(bench.exercise / "vorgabe" / "stufe1.json")
    names = [event_name(event) for event in paid.events]
    waiting = WorkflowHistory(
        paid.workflow_id, paid.events[: names.index("TimerStarted") + 1]
    )
    return {"Stufe 1, wartet auf Ware": waiting, "Stufe 1, hat bezahlt": paid}


async def _column(
    bench: Bench, stage: str, histories: dict[str, WorkflowHistory]
) -> None:
    """Prüft eine Spalte der Matrix."""
    for name, history in histories.items():
        problem = await bench.replay(f"stufen:{stage}", history=history)
        if (problem is None) != (stage in MATRIX[name]):
            raise _explain(name, stage, problem)


def _explain(history: str, stage: str, problem: str | None) -> Failed:
    place = f"Matrix, Zeile „{history}“, Spalte {stage}"
    if problem is not None:
        why, step = OWN if history == STAGES[stage] else BREAKS[stage]
        return Failed(wo=place, warum=f"Es bricht: {problem} – {why}", weiter=step)
    why, step = SURVIVES[stage]
    return Failed(wo=place, warum=f"Es läuft, soll aber brechen. {why}", weiter=step)


OWN = (
    "Ihr Code passt nicht zu der History, die er selbst geschrieben hat.",
    "Entscheiden Sie nach etwas, das in der History steht, nicht nach dem Zustand des Workers.",
)
BREAKS = {
    "Patched": (
        "In Stufe 2 lebt noch jeder Lauf von Stufe 1. Wer schon bezahlt hat, darf nicht geprüft werden.",
        "Fragen Sie den Lauf, ob er die Stelle schon hinter sich hat.",
    ),
    "Deprecated": (
        "Läufe der Stufe 2 tragen vor `check_fraud` die Marke des Patches; Stufe 3 muss sie an derselben Stelle und "
        "unter derselben ID dulden.",
        "Vergleichen Sie Platz und ID in Stufe 3 mit denen in Stufe 2.",
    ),
    "Clean": (
        "Stufe 4 verträgt nur Läufe, deren Marke man überlesen darf. Solche schreibt Stufe 3.",
        "Sehen Sie nach, womit Stufe 3 ihre Marke schreibt und ob Stufe 4 sonst gleich vorgeht.",
    ),
}
SURVIVES = {
    "Patched": (
        "Ein Lauf der Stufe 4 hat keine Marke, und Stufe 2 nimmt ohne Marke den alten Weg, ohne Prüfung.",
        "Sehen Sie nach, ob Stufe 4 noch eine Marke schreibt.",
    ),
    "Deprecated": (
        "Wer ohne Prüfung bezahlt hat, passt nur zu Code, der den alten Weg noch kennt. In Stufe 3 ist er also noch da.",
        "In Stufe 3 wird immer geprüft; es gibt dort keine Weiche mehr.",
    ),
    "Clean": (
        "In Stufe 4 steckt noch ein Rest des Patches: Sie verträgt etwas, wovon ihr Code nichts mehr wissen soll.",
        "Nehmen Sie heraus, was an den Patch erinnert, auch die Erlaubnis für die Marke.",
    ),
}


async def einfuehren(bench: Bench) -> None:
    """Stufe 2 prüft neue Aufträge und verträgt alle alten."""
    run = await _run(bench, "Patched")
    await _column(bench, "Patched", {**_stage_1(bench), "Stufe 2": run.history})


async def entfernen(bench: Bench) -> None:
    """Stufe 3 und 4 prüfen immer, und die ganze Matrix stimmt."""
    runs = await together(*(_run(bench, stage) for stage in STAGES))
    histories = _stage_1(bench) | {
        stage: run.history for stage, run in zip(STAGES.values(), runs, strict=True)
    }
    for stage in ("Deprecated", "Clean", "Patched"):
        await _column(bench, stage, histories)


CHECKS = (einfuehren, entfernen)
GIVEN = ("schritte.py",)
START_FAILS = "Seine Schritte sind confirm_order, charge_payment, ship_parcel"
CHECK = "await workflow.execute_activity(check_fraud, order_id, **STEP)\n"
IF = "        if workflow.patched(FRAUD_CHECK):\n    "
MARK = "        workflow.deprecate_patch(FRAUD_CHECK)\n"
CLEAN = '''"""Stufe 4: Als wäre es immer so gewesen."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        await until_stock(order_id)
'''
WRONG = (
    Wrong(
        "Stufe 2 ohne Weiche",
        changes=((f"{IF}        {CHECK}", f"        {CHECK}"),),
        expected="Wer schon bezahlt hat, darf nicht geprüft werden",
    ),
    Wrong(
        "Stufe 3 wie Stufe 2",
        changes=((f"{MARK}        {CHECK}", f"{IF}        {CHECK}"),),
        expected="In Stufe 3 ist er also noch da",
    ),
    Wrong(
        "Stufe 3 mit anderer ID",
        changes=((MARK, '        workflow.deprecate_patch("betrugspruefung")\n'),),
        expected="Vergleichen Sie Platz und ID",
    ),
    Wrong(
        "Marke hinter dem Schritt geduldet",
        changes=((f"{MARK}        {CHECK}", f"        {CHECK}{MARK}"),),
        expected="Zeile „Stufe 2“, Spalte Deprecated",
    ),
    Wrong(
        "Stufe 4 duldet die Marke noch",
        changes=((CLEAN, f"{CLEAN}{MARK}"),),
        expected="In Stufe 4 steckt noch ein Rest",
    ),
)
