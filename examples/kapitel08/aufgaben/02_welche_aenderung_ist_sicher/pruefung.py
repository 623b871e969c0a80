"""Prüfungen zu „Welche Änderung ist sicher?“."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from temporalio import activity
from temporalio.client import WorkflowHistory

from dauerlauf.exercises import Bench, Question, Running, Wrong
from dauerlauf.together import together

ORDERS = {"NL-1007": 4_900, "NL-1008": 24_900}
"""Die offenen Aufträge mit ihrem Betrag in Cent."""

GIVEN = ("version1.py", "aenderungen.py")

CHANGES = {
    "argument": ("Argument", "Die Abbuchung bekommt zusätzlich die Währung."),
    "timeout": ("Timeout", "Die Abbuchung darf fünf Minuten dauern."),
    "name": ("Name", "Die Bestätigung heißt anders."),
    "davor": ("Before", "Vor der Abbuchung wird reserviert."),
    "dahinter": ("After", "Nach dem Warten wird der Fahrer angerufen."),
    "dauer": ("Duration", "Gewartet wird fünf Tage statt zwei."),
    "kein_timer": ("NoTimer", "Gewartet wird gar nicht mehr."),
    "grenze": ("Limit", "Geprüft wird erst über 300 Euro."),
}


@activity.defn
async def check_fraud(order_id: str) -> None:
    """Prüft auf Betrug."""


@activity.defn
async def confirm_order(order_id: str) -> None:
    """Bestätigt."""


@activity.defn
async def charge_payment(order_id: str, cents: int) -> None:
    """Bucht ab."""


async def _waiting(worker: Running, order_id: str, cents: int) -> WorkflowHistory:
    """Die History eines Auftrags, der auf den Fahrer wartet."""
    handle = await worker.start("OrderWorkflow", order_id, cents)
    await worker.reached(handle, "TimerStarted")
    return await handle.fetch_history()


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Je Änderung „ja“ oder „nein“, und unter `fehler` je Auftrag, woran das Replay scheitert."""
    given = [check_fraud, confirm_order, charge_payment]
    with bench.timelapse.unskipped():
        async with bench.worker("version1:Version1", given=given) as worker:
            histories = await together(
                *(_waiting(worker, *order) for order in ORDERS.items())
            )
    answers: dict[str, Any] = {"fehler": {}}
    async with bench.process() as process:
        for name, (code, _) in CHANGES.items():
            problems = {
                order_id: await process.ask(
                    "replay", [f"aenderungen:{code}"], order_id, history.to_json(), None
                )
                for order_id, history in zip(ORDERS, histories, strict=True)
            }
            answers["fehler"][name] = {
                order_id: problem for order_id, problem in problems.items() if problem
            }
            answers[name] = "nein" if answers["fehler"][name] else "ja"
    return answers


WHY = {
    "argument": "Was in einem Befehl an Argumenten steht, vergleicht das Replay nicht; abgebucht ist längst, mit den alten.",
    "timeout": "Optionen eines Befehls vergleicht das Replay nicht; sie gelten ab dem nächsten Aufruf.",
    "name": "Der Typ einer Activity wird verglichen, und die Bestätigung steht in beiden Histories schon da.",
    "davor": "Der neue Befehl kommt an eine Stelle, an der in beiden Histories schon die Abbuchung steht.",
    "dahinter": "Hinter dem Timer steht in keiner der beiden Histories ein Befehl, dem der neue widersprechen könnte. Beide "
    "Aufträge rufen den Fahrer einfach noch an.",
    "dauer": "Die Dauer eines Timers wird nicht verglichen. Der laufende behält seine zwei Tage.",
    "kein_timer": "Der Timer steht in beiden Histories; der Code verlangt dort schon die Übergabe.",
    "grenze": "NL-1007 liegt unter beiden Grenzen und läuft weiter. NL-1008 wurde mit 249 € geprüft; nach der neuen Grenze "
    "verlangt der Code diese Prüfung nicht mehr, sie steht aber in seiner History.",
}


def _explain(name: str, answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    problems = truth["fehler"][name]
    if problems:
        order_id, problem = next(iter(problems.items()))
        found = f"Im Replay stehen bleibt: {', '.join(problems)}. Die Meldung zu {order_id}: {problem}."
        step = "Suchen Sie in Version 1 den Befehl, den die Meldung nennt, und vergleichen Sie ihn mit der Änderung."
    else:
        found = "Das Replay beider Aufträge gelingt."
        step = "Fragen Sie bei jeder Änderung zuerst: Ändert sie Art, Typ oder Platz eines Befehls, der schon in der History steht?"
    return f"Sie sagen „{answer}“. {found} {WHY[name]}", step


QUESTIONS = tuple(
    Question(
        name,
        f"{code}: {text} Laufen beide offenen Aufträge weiter?",
        str,
        partial(_explain, name),
        choices=("ja", "nein"),
    )
    for name, (code, text) in CHANGES.items()
)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "Argumente für verglichen gehalten",
        answers={"argument": "nein"},
        expected="abgebucht ist längst, mit den alten",
    ),
    Wrong(
        "jede neue Activity für gefährlich gehalten",
        answers={"dahinter": "nein"},
        expected="dahinter",
    ),
    Wrong(
        "Dauer für verglichen gehalten",
        answers={"dauer": "nein"},
        expected="Der laufende behält seine zwei Tage",
    ),
    Wrong(
        "nur den ersten Auftrag bedacht",
        answers={"grenze": "ja"},
        expected="Im Replay stehen bleibt: NL-1008.",
    ),
    Wrong(
        "überall ja",
        answers=dict.fromkeys(CHANGES, "ja"),
        expected="Im Replay stehen bleibt: NL-1007, NL-1008.",
    ),
)
