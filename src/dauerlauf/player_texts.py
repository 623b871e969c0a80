"""Die Sätze des Laufspielers: was an einem Halt geschieht."""

from collections.abc import Callable, Sequence

from dauerlauf.crashes import FIRST, CrashKind, CrashPoint
from dauerlauf.history import Step, StepKind, duration_text, shorten

_DETAIL = 140
_ARGUMENT = 60


def step_text(step: Step) -> str:
    """Ein deutscher Satz dazu, was mit diesem Event geschieht."""
    text = _TEXTS.get(step.kind, _plain)(step)
    # Wo eine Einzelheit gekürzt ist, endet der Satz schon mit „…“.
    return text if text.endswith("…") else f"{text.rstrip('.')}."


def replayed_text(step: Step, earlier: Sequence[Step], worker: str) -> str:
    """Ein deutscher Satz dazu, was der Replay durch `worker` mit diesem Event macht.

    `earlier` sind alle Schritte, die schon in der History stehen.
    """
    closed = next((other for other in earlier if other.caused_by == step.number and other.kind in _CLOSED), None)
    match step.kind:
        case StepKind.STARTED:
            return f"{worker} führt den Code noch einmal aus, von der ersten Zeile an."
        case StepKind.ACTIVITY_SCHEDULED if closed is None:
            return f"{step.name}: Der Auftrag steht schon in der History und geht nicht noch einmal hinaus."
        case StepKind.ACTIVITY_SCHEDULED:
            what = "Der Fehler" if closed is not None and closed.failure else "Das Ergebnis"
            return f"{step.name}: {what} steht schon in der History, die Activity läuft nicht noch einmal."
        case StepKind.LOCAL_ACTIVITY:
            return f"{step.name}: Das Ergebnis steht als Marker in der History, nichts läuft noch einmal."
        case StepKind.TIMER_STARTED if closed is None:
            return f"Timer ({_length(step)}): Er läuft beim Server schon und wird nicht neu gestellt."
        case StepKind.TIMER_STARTED:
            return f"Timer ({_length(step)}): Sein Ende steht schon in der History, niemand wartet noch einmal."
        case StepKind.SIGNAL | StepKind.UPDATE_ACCEPTED | StepKind.CANCEL_REQUESTED:
            return f"{step.title}: Es steht in der History und erreicht den Code an derselben Stelle wieder."
    return f"{step.title}: Das steht schon in der History und geschieht nicht noch einmal."


def crash_text(step: Step, point: CrashPoint | None) -> str:
    """Ein deutscher Satz zum Tod des Workers; ohne `point` ist nur bekannt, was der Server bemerkt hat."""
    if point is None:
        return f"{step.title}: {step.detail}."
    match point.kind:
        case CrashKind.AFTER:
            result = f"das Ergebnis von {point.activity} sieht" if point.activity else "davon erfährt"
            text = f"bevor der Workflow {result}. Nach einer Frist merkt es der Server."
        case CrashKind.DURING:
            text = f"während {point.activity} läuft. Der Server weiß nicht, ob sie gewirkt hat."
        case CrashKind.WAITING:
            text = "während der Timer läuft. Den Timer stört das nicht: Er läuft beim Server."
        case CrashKind.LOCAL:
            text = (
                f"gleich nach {point.activity}. Sein Workflow-Task ist nicht fertig, in der History steht davon nichts."
            )
    return f"{FIRST} stirbt (SIGKILL), {text}"


def unanswered_text(step: Step) -> str:
    """Ein deutscher Satz dazu, dass der Server dem Toten noch einen Workflow-Task anbietet."""
    return f"Der Server bietet den Workflow-Task zuerst {step.identity} an; der antwortet nicht mehr."


_CLOSED = {
    StepKind.ACTIVITY_COMPLETED,
    StepKind.ACTIVITY_FAILED,
    StepKind.ACTIVITY_TIMED_OUT,
    StepKind.ACTIVITY_CANCELED,
    StepKind.TIMER_FIRED,
    StepKind.TIMER_CANCELED,
}


def _plain(step: Step) -> str:
    return f"{step.title}{_colon(step)}"


def _colon(step: Step) -> str:
    """Die Einzelheit nach einem Doppelpunkt, ohne den Punkt, mit dem der Satz endet."""
    return f": {shorten(step.detail, _DETAIL).rstrip('.')}" if step.detail else ""


def _argument(step: Step) -> str:
    """Eine Eingabe nur, wenn sie kurz ist: Was im Speicher steht, zeigt der Spieler daneben."""
    return _colon(step) if len(step.detail) <= _ARGUMENT else ""


def _answer(step: Step) -> str:
    return f" {shorten(step.detail, _DETAIL)}" if step.detail else ""


def _length(step: Step) -> str:
    return duration_text(step.duration) if step.duration is not None else "unbekannte Dauer"


def _activity_started(step: Step) -> str:
    again = f" im {step.attempt}. Versuch" if (step.attempt or 1) > 1 else ""
    reason = f"; der vorige endete so: {shorten(step.failure, _DETAIL)}" if step.failure else ""
    return f"{step.identity or 'Ein Worker'} führt {step.name}{again} aus{reason}"


def _local_activity(step: Step) -> str:
    outcome = "ist gescheitert" if step.failure else "ist gelaufen"
    return f"{step.name} {outcome}, als lokale Activity im Worker selbst{_colon(step)}"


_TEXTS: dict[StepKind, Callable[[Step], str]] = {
    StepKind.STARTED: lambda step: f"Der Client startet den Workflow {step.name}{_argument(step)}",
    StepKind.COMPLETED: lambda step: f"Der Workflow ist fertig{_colon(step)}",
    StepKind.FAILED: lambda step: f"Der Workflow ist gescheitert{_colon(step)}",
    StepKind.CANCELED: lambda step: f"Der Workflow endet abgebrochen{_colon(step)}",
    StepKind.ACTIVITY_SCHEDULED: lambda step: f"Der Workflow beauftragt die Activity {step.name}{_argument(step)}",
    StepKind.ACTIVITY_STARTED: _activity_started,
    StepKind.ACTIVITY_COMPLETED: lambda step: (
        f"{step.name} ist erledigt, das Ergebnis steht jetzt in der History{_colon(step)}"
    ),
    StepKind.ACTIVITY_FAILED: lambda step: f"{step.name} ist endgültig gescheitert{_colon(step)}",
    StepKind.ACTIVITY_TIMED_OUT: lambda step: f"{step.name} ist endgültig überfällig{_colon(step)}",
    StepKind.LOCAL_ACTIVITY: _local_activity,
    StepKind.TIMER_STARTED: lambda step: f"Der Workflow stellt einen Timer beim Server ({_length(step)})",
    StepKind.TIMER_FIRED: lambda step: "Der Timer ist abgelaufen, der Server weckt den Workflow",
    StepKind.TIME_SKIP: lambda step: (
        f"{_length(step)} vergehen, ohne dass ein Worker arbeitet; die Aufzeichnung überspringt sie"
    ),
    StepKind.QUERY: lambda step: (
        f"Der Client fragt den Stand ab, in der History steht davon nichts: {step.name}{_answer(step)}"
    ),
    StepKind.SIGNAL: lambda step: f"Der Client schickt das Signal {step.name}{_colon(step)}",
    StepKind.UPDATE_ACCEPTED: lambda step: f"Der Workflow nimmt das Update {step.name} an{_colon(step)}",
    StepKind.ATTRIBUTES: lambda step: f"Der Workflow schreibt ein Suchattribut{_colon(step)}",
    StepKind.TAKEOVER: lambda step: (
        f"{step.title}. Er kennt nur die History und spielt den Code mit ihr noch einmal ab"
    ),
}
