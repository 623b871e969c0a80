"""Prüfungen zu „Eine Event History lesen“."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from temporalio.client import WorkflowHistory

from dauerlauf.exercises import Bench, Question, Wrong
from dauerlauf.history import event_name, load

# B-2002 und B-2003 liest die Übung; im dritten Lauf starb der Worker vor der Buchung.
BETWEEN = "absturz-zwischen-den-schritten.json"
AFTER = "absturz-nach-der-wirkung.json"
BEFORE = "abstuerze/ohne-absturz-6.json"
FILES = {"b-2002.txt": BETWEEN, "b-2003.txt": AFTER}

SHOWN = (
    "attempt",
    "timeoutType",
    "startToFireTimeout",
    "scheduledEventId",
    "workflowTaskCompletedEventId",
)


def _recorded(bench: Bench, name: str) -> WorkflowHistory:
    """Eine Aufzeichnung des Musters „Absturz und weiter“."""
    pattern = bench.exercise.parents[1] / "kapitel01" / "absturz_und_weiter"
    return load(pattern / "histories" / name)


def _attributes(event: Any) -> dict[str, Any]:
    """Die Angaben eines Events, so wie sie in der JSON-Datei der History heißen."""
    fields = MessageToDict(event)
    found = (value for name, value in fields.items() if name.endswith("Attributes"))
    attributes: dict[str, Any] = next(found, {})
    return attributes


def _worker(event: Any) -> str:
    return str(_attributes(event).get("identity", ""))


def listing(history: WorkflowHistory) -> str:
    """Die History als Tabelle; so steht sie in `start`."""
    lines = [
        "Nr  Zeit      Event                                  Wer       Einzelheiten"
    ]
    for event in history.events:
        attributes = _attributes(event)
        details = [attributes.get("activityType", {}).get("name", "")]
        details += [f"{key}={attributes[key]}" for key in SHOWN if key in attributes]
        if failure := attributes.get("lastFailure"):
            details.append(f"lastFailure={failure['message']}")
        lines.append(
            f"{event.event_id:2}  {event.event_time.ToDatetime():%H:%M:%S}  "
            f"{event_name(event).replace('WorkflowExecutionTimeSkippingTransitioned', '(Zeitsprung)'):37}  "
            f"{_worker(event):8}  {' '.join(part for part in details if part)}".rstrip()
        )
    return "\n".join(lines) + "\n"


def _shape(history: WorkflowHistory) -> list[tuple[str, str, Any]]:
    """Was eine History außer Zeiten und IDs verrät: Events, Worker, Versuche."""
    return [
        (event_name(event), _worker(event), _attributes(event).get("attempt"))
        for event in history.events
    ]


async def truth(bench: Bench) -> Mapping[str, Any]:
    """Liest die Antworten aus den aufgezeichneten Läufen; dazu braucht es keinen Server."""
    for name, recording in FILES.items():
        expected = listing(_recorded(bench, recording))
        if Path(bench.source, name).read_text("utf-8") != expected:
            raise AssertionError(
                f"{name} passt nicht zur Aufzeichnung; darin muss stehen:\n{expected}"
            )
    between, after = _recorded(bench, BETWEEN), _recorded(bench, AFTER)
    names = [event_name(event) for event in between.events]
    lost = names.index("WorkflowTaskTimedOut")
    types = {
        event.event_id: _attributes(event)["activityType"]["name"]
        for event in between.events
        if event_name(event) == "ActivityTaskScheduled"
    }
    by_second = {
        event.event_id
        for event in between.events
        if event_name(event) == "WorkflowTaskCompleted" and _worker(event) == "worker-2"
    }
    commands = [
        event.event_id
        for event in between.events
        if int(_attributes(event).get("workflowTaskCompletedEventId", 0)) in by_second
    ]
    completed = [
        event
        for event in between.events
        if event_name(event) == "WorkflowTaskCompleted"
    ]
    started = next(
        event for event in after.events if event_name(event) == "ActivityTaskStarted"
    )
    scheduled = next(
        event for event in after.events if event_name(event) == "ActivityTaskScheduled"
    )
    same = _shape(after) == _shape(_recorded(bench, BEFORE))
    return {
        "done_2002": [
            types[event.activity_task_completed_event_attributes.scheduled_event_id]
            for event in between.events[:lost]
            if event_name(event) == "ActivityTaskCompleted"
        ],
        "noticed_2002": between.events[lost].event_id,
        "command_2002": min(commands),
        "finished_by_2002": _worker(completed[-1]),
        "attempt_2003": started.activity_task_started_event_attributes.attempt,
        "delay_2003": round(
            started.event_time.ToSeconds() - scheduled.event_time.ToSeconds()
        ),
        "booked_2003": "steht nicht darin" if same else "gebucht",
        "payments_2002": list(types.values()).count("charge_payment"),
    }


def _done(answer: list[str], truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {', '.join(answer)}; vor Event {truth['noticed_2002']} hat nur {', '.join(truth['done_2002'])} ein "
        "ActivityTaskCompleted. Ohne dieses Event gilt eine Activity nicht als erledigt.",
        "Suchen Sie alle ActivityTaskCompleted vor dem Absturz und gehen Sie über scheduledEventId zu ihrem Namen.",
    )


def _noticed(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen Event {answer}; bemerkt hat es der Server mit Event {truth['noticed_2002']}. Der Tod selbst schreibt "
        "kein Event, denn ein toter Worker meldet nichts mehr. Es gibt nur ein Event dafür, dass eine Antwort ausblieb.",
        "Suchen Sie das Event, das von einem abgelaufenen Timeout berichtet.",
    )


def _command(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen Event {answer}; das erste Event aus einem Befehl von worker-2 ist {truth['command_2002']}. Einen "
        "Task zu holen und zu beantworten, ist noch kein Befehl.",
        "Befehle von worker-2 tragen als workflowTaskCompletedEventId die Nummer eines Workflow-Tasks, den er "
        "beantwortet hat.",
    )


def _payments(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; in der History steht charge_payment {truth['payments_2002']}-mal. worker-2 hat den "
        "Workflow-Code zwar von vorn ausgeführt, das Ergebnis der Zahlung aber aus Event 7 genommen.",
        "Zählen Sie die ActivityTaskScheduled mit diesem Namen.",
    )


def _finished_by(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; das letzte WorkflowTaskCompleted stammt von {truth['finished_by_2002']}. Mit ihm kam der "
        "Befehl, den Workflow zu beenden.",
        "Gehen Sie vom letzten Event zurück zu dem Workflow-Task, der es veranlasst hat.",
    )


def _attempt(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer}; im Started-Event der Zahlung steht attempt={truth['attempt_2003']}. Der Zähler beginnt bei "
        "1, und das Event nennt den Versuch, der zählt.",
        "Lesen Sie die Zeile ActivityTaskStarted zu charge_payment bis zum Ende.",
    )


def _delay(answer: int, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen {answer} s; zwischen Einplanen und Beginn liegen {truth['delay_2003']} s: erst das "
        "Start-to-Close-Timeout des verlorenen Versuchs, dann die Pause der Retry-Policy.",
        "Vergleichen Sie die Zeiten von ActivityTaskScheduled und ActivityTaskStarted.",
    )


def _booked(answer: str, truth: Mapping[str, Any]) -> tuple[str, str]:
    return (
        f"Sie nennen „{answer}“. Die Prüfung hat diese History mit der eines Laufs verglichen, in dem der Worker vor der Buchung "
        "starb: Event für Event dieselben Namen, Worker und Versuche.",
        "Fragen Sie sich, wer von der Buchung weiß: der Server von Temporal oder der Zahlungsdienst?",
    )


QUESTIONS = (
    Question(
        "done_2002",
        "B-2002: Welche Activities waren beim Absturz erledigt?",
        list,
        _done,
        choices=("charge_payment", "ship_parcel"),
        ordered=False,
    ),
    Question(
        "noticed_2002",
        "B-2002: Mit welchem Event bemerkt der Server den Absturz?",
        int,
        _noticed,
    ),
    Question(
        "command_2002",
        "B-2002: Welches Event geht als erstes auf einen Befehl von worker-2 zurück?",
        int,
        _command,
    ),
    Question(
        "payments_2002",
        "B-2002: Wie oft wurde charge_payment eingeplant?",
        int,
        _payments,
    ),
    Question(
        "finished_by_2002",
        "B-2002: Welcher Worker hat den Workflow beendet?",
        str,
        _finished_by,
        choices=("worker-1", "worker-2"),
    ),
    Question(
        "attempt_2003", "B-2003: Welcher Versuch der Zahlung gelang?", int, _attempt
    ),
    Question(
        "delay_2003",
        "B-2003: Wie viele Sekunden nach dem Einplanen begann er?",
        int,
        _delay,
    ),
    Question(
        "booked_2003",
        "B-2003: Was sagt die History darüber, ob der erste Versuch gebucht hat?",
        str,
        _booked,
        choices=("gebucht", "nicht gebucht", "steht nicht darin"),
    ),
)
GIVEN = tuple(FILES)
START_FAILS = "Hier steht noch keine Antwort."
WRONG = (
    Wrong(
        "beide Schritte schon erledigt",
        answers={"done_2002": ["charge_payment", "ship_parcel"]},
        expected="vor Event 10 hat nur charge_payment",
    ),
    Wrong(
        "der letzte Task von worker-1",
        answers={"noticed_2002": 9},
        expected="Der Tod selbst schreibt kein Event",
    ),
    Wrong(
        "geholt statt befohlen",
        answers={"command_2002": 12},
        expected="ist noch kein Befehl",
    ),
    Wrong(
        "die Zahlung läuft beim Replay mit",
        answers={"payments_2002": 2},
        expected="aus Event 7 genommen",
    ),
    Wrong(
        "Versuch 2 heißt: nicht gebucht",
        answers={"booked_2003": "nicht gebucht"},
        expected="in dem der Worker vor der Buchung starb",
    ),
)
