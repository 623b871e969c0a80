"""Event History in lesbare Schritte übersetzen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import ContinueAsNewInitiator, EventType, TimeoutType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from dauerlauf.history._backoff import backoffs
from dauerlauf.history._queries import Query
from dauerlauf.history._text import (
    arguments,
    duration_text,
    failure_text,
    join_texts,
    marker_data,
    one_line,
    readable,
    to_timedelta,
    words,
)


class StepKind(StrEnum):
    """Art eines Schritts; der Wert ist das Wort, das Leserinnen und Leser sehen."""

    STARTED = "Start"
    COMPLETED = "Fertig"
    FAILED = "Gescheitert"
    CANCELED = "Abgebrochen"
    TERMINATED = "Beendet"
    TIMED_OUT = "Frist überschritten"
    CONTINUED_AS_NEW = "Continue-As-New"
    ACTIVITY_SCHEDULED = "Activity beauftragt"
    ACTIVITY_STARTED = "Activity gestartet"
    ACTIVITY_COMPLETED = "Activity erledigt"
    ACTIVITY_FAILED = "Activity gescheitert"
    ACTIVITY_TIMED_OUT = "Activity überfällig"
    ACTIVITY_CANCEL_REQUESTED = "Activity soll abbrechen"
    ACTIVITY_CANCELED = "Activity abgebrochen"
    LOCAL_ACTIVITY = "Local Activity"
    TIMER_STARTED = "Timer gestellt"
    TIMER_FIRED = "Timer abgelaufen"
    TIMER_CANCELED = "Timer gelöscht"
    TIME_SKIP = "Zeitsprung"
    QUERY = "Query"
    SIGNAL = "Signal"
    SIGNAL_SENT = "Signal gesendet"
    SIGNAL_DELIVERED = "Signal zugestellt"
    SIGNAL_FAILED = "Signal nicht zustellbar"
    CANCEL_SENT = "Abbruch weitergegeben"
    CANCEL_DELIVERED = "Abbruch zugestellt"
    CANCEL_FAILED = "Abbruch nicht zustellbar"
    UPDATE_ADMITTED = "Update eingegangen"
    UPDATE_ACCEPTED = "Update angenommen"
    UPDATE_COMPLETED = "Update beantwortet"
    UPDATE_REJECTED = "Update abgelehnt"
    CANCEL_REQUESTED = "Abbruch verlangt"
    CHILD_INITIATED = "Child Workflow beauftragt"
    CHILD_STARTED = "Child Workflow gestartet"
    CHILD_COMPLETED = "Child Workflow fertig"
    CHILD_FAILED = "Child Workflow gescheitert"
    CHILD_CANCELED = "Child Workflow abgebrochen"
    NEXUS_SCHEDULED = "Nexus-Operation beauftragt"
    NEXUS_STARTED = "Nexus-Operation gestartet"
    NEXUS_COMPLETED = "Nexus-Operation fertig"
    NEXUS_FAILED = "Nexus-Operation gescheitert"
    NEXUS_CANCELED = "Nexus-Operation abgebrochen"
    NEXUS_CANCEL_REQUESTED = "Nexus-Operation soll abbrechen"
    PATCH = "Patch"
    MARKER = "Vermerk"
    ATTRIBUTES = "Suchattribute"
    WORKFLOW_TASK = "Workflow-Task"
    WORKFLOW_TASK_FAILED = "Workflow-Task gescheitert"
    CRASH = "Absturz"
    TAKEOVER = "Übernahme"
    OTHER = "Ereignis"


@dataclass(frozen=True, slots=True)
class SourceLine:
    """Die Zeile im Workflow-Code, die ein Event ausgelöst hat."""

    file: str
    """Pfad ab dem obersten Paket, z. B. ``kapitel07/saga/workflow.py``."""
    line: int
    text: str
    function: str

    def __str__(self) -> str:
        """Kurzform für Tabellen: Dateiname und Zeile."""
        return f"{self.file.rpartition('/')[2]}:{self.line}"


@dataclass(frozen=True, slots=True)
class Step:
    """Ein Event der Historie, lesbar.

    ``time`` zählt ab dem Start des Laufs in der Uhr des Workflows (im Zeitraffer also virtuell). ``actor`` nennt
    die Spur: ``client``, ``workflow``, ``timer``, ``server``, ``child``, ``external`` (ein anderer Workflow),
    ``nexus`` oder den Activity-Typ. ``caused_by`` ist das Event, das den Vorgang eröffnet hat (etwa
    ActivityTaskScheduled). Schritte mit ``internal`` gehören zur Mechanik des Servers; Zählungen für Leserinnen und
    Leser lassen sie aus.

    ``attempts`` sind die Anfänge der Versuche einer Activity, wenn sie sich aus ihrer Retry Policy ergeben: Die History
    verzeichnet nur den letzten Versuch. Bei Signalen und Abbrüchen an einen Child Workflow nennt ``caused_by`` dessen
    Auftrag. ``continued`` heißt, dass der Lauf einen früheren fortsetzt.
    """

    number: int
    kind: StepKind
    event: str
    time: timedelta
    actor: str
    title: str
    detail: str = ""
    name: str = ""
    attempt: int | None = None
    identity: str = ""
    failure: str = ""
    duration: timedelta | None = None
    caused_by: int | None = None
    internal: bool = False
    source: SourceLine | None = None
    attempts: tuple[timedelta, ...] = ()
    continued: bool = False


def steps(
    history: WorkflowHistory, *, sources: Mapping[int, SourceLine] | None = None, queries: Sequence[Query] = ()
) -> list[Step]:
    """Übersetzt eine Historie in Schritte, einen je Event, in der Reihenfolge der Events.

    Jede Historie wird verstanden, auch die anderer SDKs; ein unbekanntes Event wird zu einem Schritt der Art
    :attr:`StepKind.OTHER`.

    Args:
        history: Die Historie, vereinheitlicht oder nicht.
        sources: Quellzeilen je Event-ID aus :func:`source_lines`.
        queries: Queries an diesen Lauf aus :func:`load_queries`; jede wird ein Schritt der Art
            :attr:`StepKind.QUERY` hinter dem Event, nach dem sie beantwortet wurde, und trägt dessen Nummer und Zeit;
            nach einem Zeitsprung ist das die Zeit, zu der er führte.

    Returns:
        Die Schritte. ``time`` des ersten ist null.
    """
    found = list(_Reader(history.events, sources or {}).read())
    for query in queries:
        place = next((index for index in range(len(found), 0, -1) if found[index - 1].number <= query.event), 0)
        found.insert(place, _query(query, _after(found[place - 1]) if place else timedelta(0)))
    return found


def _after(step: Step) -> timedelta:
    """Wann ein Schritt vorüber ist: Das Event eines Zeitsprungs trägt die Zeit, zu der er begann."""
    skipped = step.duration if step.kind is StepKind.TIME_SKIP else None
    return step.time + (skipped or timedelta(0))


def _query(query: Query, time: timedelta) -> Step:
    result = query.result
    failure = failure_text(result.failure) if result.HasField("failure") else one_line(result.error_message)
    asked, answered = arguments(query.request.query_args), arguments(result.answer)
    return Step(
        number=query.event,
        kind=StepKind.QUERY,
        event="Query",
        time=time,
        actor="client",
        title=f"Query {query.request.query_type}{' gescheitert' if failure else ''}",
        detail=" ".join(filter(None, (asked, failure or f"→ {answered}"))),
        name=query.request.query_type,
        failure=failure,
    )


_DECISIONS = {
    StepKind.STARTED,
    StepKind.ACTIVITY_SCHEDULED,
    StepKind.ACTIVITY_CANCEL_REQUESTED,
    StepKind.LOCAL_ACTIVITY,
    StepKind.TIMER_STARTED,
    StepKind.SIGNAL,
    StepKind.SIGNAL_SENT,
    StepKind.UPDATE_ACCEPTED,
    StepKind.CANCEL_REQUESTED,
    StepKind.CHILD_INITIATED,
    StepKind.NEXUS_SCHEDULED,
    StepKind.PATCH,
    StepKind.ATTRIBUTES,
    StepKind.COMPLETED,
    StepKind.FAILED,
    StepKind.CANCELED,
    StepKind.CONTINUED_AS_NEW,
}


def same_behaviour(one: WorkflowHistory, other: WorkflowHistory) -> bool:
    """Ob zwei vereinheitlichte Läufe desselben Szenarios dasselbe tun.

    Wie der Server gleichzeitige Ergebnisse auf Workflow-Tasks verteilt, ist von Lauf zu Lauf verschieden und zählt
    nicht. Verglichen werden die Entscheidungen des Workflows und die Eingriffe von außen in ihrer Reihenfolge und
    alle übrigen Schritte in beliebiger, samt Einzelheiten, Versuchen und Zeit auf die Sekunde.

    Args:
        one: Ein Lauf, aus :func:`normalise`.
        other: Ein zweiter Lauf, aus :func:`normalise`.

    Returns:
        ``True``, wenn ein Unterschied der Dateien nur Zufall ist.
    """
    first, second = ([_behaviour(step) for step in steps(run) if not step.internal] for run in (one, other))
    decided, also_decided = ([step for step in run if step[0] in _DECISIONS] for run in (first, second))
    return decided == also_decided and Counter(first) == Counter(second)


def _behaviour(step: Step) -> tuple[object, ...]:
    return step.kind, step.title, step.detail, step.attempt, step.actor, int(step.time.total_seconds())


class _Reader:
    def __init__(self, events: Sequence[HistoryEvent], sources: Mapping[int, SourceLine]) -> None:
        self._events = events
        self._sources = sources
        self._by_id = {event.event_id: event for event in events}
        self._start = events[0].event_time.ToNanoseconds() if events else 0
        self._worker = ""
        self._lost = False
        self._build = ""
        self._signals: dict[int, str] = {}
        self._children: dict[str, int] = {}

    def read(self) -> Iterator[Step]:
        for index, event in enumerate(self._events):
            kind = event.WhichOneof("attributes") or ""
            handler = _HANDLERS.get(kind)
            attributes = getattr(event, kind) if kind else event
            values = handler(self, event, attributes) if handler else self._other(event, attributes)
            if kind == "workflow_execution_time_skipping_transitioned_event_attributes":
                values["duration"] = self._jump(index)
                if values["duration"]:
                    values["title"] = f"Zeitsprung: {duration_text(values['duration'])}"
            summary = readable(event.user_metadata.summary) if event.user_metadata.HasField("summary") else ""
            if summary:
                values["detail"] = join_texts(summary.strip("„“"), values.get("detail", ""))
            values.setdefault("identity", getattr(attributes, "identity", ""))
            yield Step(
                number=event.event_id,
                event=event_name(event),
                time=self._time(event),
                source=self._sources.get(event.event_id),
                **values,
            )

    def _time(self, event: HistoryEvent) -> timedelta:
        return timedelta(microseconds=max(0, event.event_time.ToNanoseconds() - self._start) // 1000)

    def _jump(self, index: int) -> timedelta | None:
        attributes = self._events[index].workflow_execution_time_skipping_transitioned_event_attributes
        if not attributes.HasField("target_time"):
            return None
        jump = attributes.target_time.ToNanoseconds() - self._events[index].event_time.ToNanoseconds()
        return timedelta(microseconds=jump // 1000) if jump > 0 else None

    def _activity(self, scheduled_event_id: int) -> str:
        opener = self._by_id.get(scheduled_event_id)
        return (opener and opener.activity_task_scheduled_event_attributes.activity_type.name) or "Activity"

    # Jede Methode bekommt Event und Attribute und liefert die Felder des Schritts.

    def _started(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.workflow_type.name
        continued = bool(a.continued_execution_run_id)
        parent = a.HasField("parent_workflow_execution")
        return {
            "kind": StepKind.STARTED,
            "actor": "external" if parent else "client",
            "title": f"Workflow {name} {'läuft weiter' if continued else 'startet'}",
            "detail": join_texts(_INITIATORS.get(a.initiator, "") if continued else "", arguments(a.input)),
            "continued": continued,
            "name": name,
            "attempt": a.attempt if a.attempt > 1 else None,
        }

    def _closed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, title = CLOSING[event.WhichOneof("attributes") or ""]
        detail = failure = ""
        if hasattr(a, "result"):
            detail = arguments(a.result)
        if hasattr(a, "failure") and a.HasField("failure"):
            detail = failure = failure_text(a.failure)
        if hasattr(a, "details") and isinstance(a.details, Payloads):
            detail = arguments(a.details)
        if kind is StepKind.TERMINATED:
            detail = join_texts(a.reason, detail)
        if kind is StepKind.CONTINUED_AS_NEW:
            detail = arguments(a.input)
        actor = {StepKind.TERMINATED: "client", StepKind.TIMED_OUT: "server"}.get(kind, "workflow")
        return {"kind": kind, "actor": actor, "title": title, "detail": detail, "failure": failure}

    def _activity_scheduled(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.activity_type.name
        return {
            "kind": StepKind.ACTIVITY_SCHEDULED,
            "actor": "workflow",
            "title": f"{name} beauftragt",
            "detail": arguments(a.input),
            "name": name,
        }

    def _activity_started(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = self._activity(a.scheduled_event_id)
        again = f", Versuch {a.attempt}" if a.attempt > 1 else ""
        failure = failure_text(a.last_failure) if a.HasField("last_failure") else ""
        return {
            "kind": StepKind.ACTIVITY_STARTED,
            "actor": name,
            "title": f"{name} gestartet{again}",
            "detail": f"Versuch {a.attempt - 1}: {failure}" if failure else "",
            "failure": failure,
            "name": name,
            "attempt": max(a.attempt, 1),
            "caused_by": a.scheduled_event_id,
            "attempts": self._attempts(event, a),
        }

    def _attempts(self, event: HistoryEvent, a: Any) -> tuple[timedelta, ...]:
        """Die Anfänge der Versuche, wenn der letzte da liegt, wo ihn die Retry Policy erwarten lässt.

        Liegt er später, haben frühere Versuche selbst Zeit gebraucht; wie viel, steht nirgends.
        """
        opener = self._by_id.get(a.scheduled_event_id)
        if opener is None or not 1 < a.attempt <= _MOST_ATTEMPTS:
            return ()
        begin = self._time(opener)
        policy = opener.activity_task_scheduled_event_attributes.retry_policy
        starts = [begin + timedelta(microseconds=wait // 1000) for wait in backoffs(policy, a.attempt)]
        known = timedelta(0) <= self._time(event) - starts[-1] < timedelta(seconds=1)
        return tuple(starts) if known else ()

    def _activity_closed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = self._activity(a.scheduled_event_id)
        kind, word = _ACTIVITY_CLOSING[event.WhichOneof("attributes") or ""]
        failure = failure_text(a.failure) if hasattr(a, "failure") and a.HasField("failure") else ""
        started = self._by_id.get(a.started_event_id)
        attempt = started.activity_task_started_event_attributes.attempt if started else 0
        payloads = a.result if hasattr(a, "result") else getattr(a, "details", None)
        return {
            "kind": kind,
            "actor": "server" if kind is StepKind.ACTIVITY_TIMED_OUT else name,
            "title": f"{name} {word}",
            "detail": failure or (arguments(payloads) if isinstance(payloads, Payloads) else ""),
            "failure": failure,
            "name": name,
            "attempt": attempt or None,
            "identity": getattr(a, "identity", "")
            or (started.activity_task_started_event_attributes.identity if started else ""),
            "caused_by": a.scheduled_event_id,
        }

    def _activity_cancel(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = self._activity(a.scheduled_event_id)
        return {
            "kind": StepKind.ACTIVITY_CANCEL_REQUESTED,
            "actor": "workflow",
            "title": f"{name} soll abbrechen",
            "name": name,
            "caused_by": a.scheduled_event_id,
        }

    def _timer_started(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        duration = to_timedelta(a.start_to_fire_timeout)
        return {
            "kind": StepKind.TIMER_STARTED,
            "actor": "workflow",
            "title": f"Timer gestellt: {duration_text(duration)}",
            "name": a.timer_id,
            "duration": duration,
        }

    def _timer_closed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        fired = event.HasField("timer_fired_event_attributes")
        opener = self._by_id.get(a.started_event_id)
        duration = to_timedelta(opener.timer_started_event_attributes.start_to_fire_timeout) if opener else None
        length = f": {duration_text(duration)}" if duration is not None else ""
        return {
            "kind": StepKind.TIMER_FIRED if fired else StepKind.TIMER_CANCELED,
            "actor": "timer" if fired else "workflow",
            "title": f"Timer {'abgelaufen' if fired else 'gelöscht'}{length}",
            "name": a.timer_id,
            "duration": duration,
            "caused_by": a.started_event_id,
        }

    def _time_skip(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        return {"kind": StepKind.TIME_SKIP, "actor": "server", "title": "Zeitsprung", "internal": True}

    def _signaled(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        external = a.HasField("external_workflow_execution") and a.external_workflow_execution.workflow_id
        origin = f"von Workflow {a.external_workflow_execution.workflow_id}" if external else ""
        return {
            "kind": StepKind.SIGNAL,
            "actor": "external" if external else "client",
            "title": f"Signal {a.signal_name}",
            "detail": join_texts(arguments(a.input), origin),
            "name": a.signal_name,
        }

    def _signal_sent(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        self._signals[event.event_id] = a.signal_name
        return {
            "kind": StepKind.SIGNAL_SENT,
            "actor": "workflow",
            "title": f"Signal {a.signal_name} an {a.workflow_execution.workflow_id}",
            "detail": arguments(a.input),
            "name": a.signal_name,
            "caused_by": self._children.get(a.workflow_execution.workflow_id),
        }

    def _external(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, title = _EXTERNAL[event.WhichOneof("attributes") or ""]
        initiated = getattr(a, "initiated_event_id", 0)
        if kind is StepKind.CANCEL_SENT:
            initiated = self._children.get(a.workflow_execution.workflow_id, 0)
        name = self._signals.get(initiated, "")
        failure = ""
        if hasattr(a, "cause"):
            cause = a.DESCRIPTOR.fields_by_name["cause"].enum_type.values_by_number.get(a.cause)
            name_of_cause = cause.name.partition("CAUSE_")[2] if cause else ""
            failure = _CAUSES.get(name_of_cause) or words(name_of_cause)
        return {
            "kind": kind,
            "actor": "workflow" if "initiated" in (event.WhichOneof("attributes") or "") else "server",
            "title": title.format(name=name or "an Workflow", id=a.workflow_execution.workflow_id),
            "detail": failure,
            "failure": failure,
            "name": name,
            "caused_by": initiated or None,
        }

    def _update_accepted(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.accepted_request.input.name or self._update_name(a.accepted_request_sequencing_event_id)
        return {
            "kind": StepKind.UPDATE_ACCEPTED,
            "actor": "client",
            "title": f"Update {name} angenommen",
            "detail": arguments(a.accepted_request.input.args),
            "name": name,
            "identity": a.accepted_request.meta.identity,
        }

    def _update_name(self, event_id: int) -> str:
        admitted = self._by_id.get(event_id)
        return admitted.workflow_execution_update_admitted_event_attributes.request.input.name if admitted else ""

    def _update_admitted(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.request.input.name
        return {
            "kind": StepKind.UPDATE_ADMITTED,
            "actor": "client",
            "title": f"Update {name} eingegangen",
            "name": name,
        }

    def _update_completed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        opener = self._by_id.get(a.accepted_event_id)
        name = opener.workflow_execution_update_accepted_event_attributes.accepted_request.input.name if opener else ""
        failure = failure_text(a.outcome.failure) if a.outcome.HasField("failure") else ""
        return {
            "kind": StepKind.UPDATE_COMPLETED,
            "actor": "workflow",
            "title": f"Update {name} {'gescheitert' if failure else 'beantwortet'}",
            "detail": failure or arguments(a.outcome.success),
            "failure": failure,
            "name": name,
            "identity": a.meta.identity,
            "caused_by": a.accepted_event_id or None,
        }

    def _update_rejected(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = a.rejected_request.input.name
        failure = failure_text(a.failure)
        return {
            "kind": StepKind.UPDATE_REJECTED,
            "actor": "workflow",
            "title": f"Update {name} abgelehnt",
            "detail": failure,
            "failure": failure,
            "name": name,
        }

    def _cancel_requested(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        origin = a.external_workflow_execution.workflow_id
        return {
            "kind": StepKind.CANCEL_REQUESTED,
            "actor": "external" if origin else "client",
            "title": "Abbruch verlangt",
            "detail": join_texts(a.cause, f"von Workflow {origin}" if origin else ""),
        }

    def _child_initiated(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        self._children[a.workflow_id] = event.event_id
        return {
            "kind": StepKind.CHILD_INITIATED,
            "actor": "workflow",
            "title": f"Child Workflow {a.workflow_type.name} beauftragt",
            "detail": join_texts(a.workflow_id, arguments(a.input)),
            "name": a.workflow_type.name,
        }

    def _child(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, word = _CHILD[event.WhichOneof("attributes") or ""]
        failure = failure_text(a.failure) if hasattr(a, "failure") and a.HasField("failure") else ""
        if hasattr(a, "cause"):
            failure = "Workflow-ID ist schon vergeben" if a.cause == 1 else "Namespace fehlt"
        return {
            "kind": kind,
            "actor": "child",
            "title": f"Child Workflow {a.workflow_type.name} {word}",
            "detail": failure or (arguments(a.result) if hasattr(a, "result") else ""),
            "failure": failure,
            "name": a.workflow_type.name,
            "caused_by": a.initiated_event_id or None,
        }

    def _nexus_scheduled(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = f"{a.service}.{a.operation}"
        return {
            "kind": StepKind.NEXUS_SCHEDULED,
            "actor": "workflow",
            "title": f"Nexus-Operation {name} beauftragt",
            "detail": join_texts(readable(a.input), f"Endpunkt {a.endpoint}" if a.endpoint else ""),
            "name": name,
        }

    def _nexus(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind, word = _NEXUS[event.WhichOneof("attributes") or ""]
        opener = self._by_id.get(a.scheduled_event_id)
        scheduled = opener and opener.nexus_operation_scheduled_event_attributes
        name = f"{scheduled.service}.{scheduled.operation}" if scheduled else ""
        failure = failure_text(a.failure) if hasattr(a, "failure") and a.HasField("failure") else ""
        return {
            "kind": kind,
            "actor": "nexus",
            "title": f"Nexus-Operation {name} {word}",
            "detail": failure or (readable(a.result) if hasattr(a, "result") else ""),
            "failure": failure,
            "name": name,
            "caused_by": a.scheduled_event_id or None,
        }

    def _marker(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        data = marker_data(a)
        failure = failure_text(a.failure) if a.HasField("failure") else ""
        name = a.marker_name
        if name in ("core_local_activity", "LocalActivity"):
            # Der Reihe nach: Rust-Kern (Python, TypeScript, .NET), Go, Java.
            activity = str(data.get("activity_type") or data.get("ActivityType") or data.get("type") or "")
            result = arguments(a.details["result"]) if "result" in a.details else ""
            attempt = data.get("attempt") or data.get("Attempt")
            return {
                "kind": StepKind.LOCAL_ACTIVITY,
                "actor": activity or "Local Activity",
                "title": f"{activity} {'gescheitert' if failure else 'erledigt'} (Local Activity)".strip(),
                "detail": failure or result,
                "failure": failure,
                "name": activity,
                "attempt": attempt if isinstance(attempt, int) and attempt > 0 else None,
            }
        if name in ("core_patch", "Version"):
            patch = str(data.get("id") or data.get("change-id") or data.get("changeId") or "")
            return {"kind": StepKind.PATCH, "actor": "workflow", "title": f"Patch {patch}".strip(), "name": patch}
        title = {"SideEffect": "Seiteneffekt festgehalten", "MutableSideEffect": "Seiteneffekt festgehalten"}
        return {
            "kind": StepKind.MARKER,
            "actor": "workflow",
            "title": title.get(name, f"Vermerk {name}"),
            "detail": failure or "; ".join(filter(None, (arguments(a.details[key]) for key in sorted(a.details)))),
            "failure": failure,
            "name": name,
        }

    def _search_attributes(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        fields = a.search_attributes.indexed_fields
        names = sorted(fields)
        return {
            "kind": StepKind.ATTRIBUTES,
            "actor": "workflow",
            "title": f"Suchattribut {', '.join(names)}",
            "detail": ", ".join(f"{name} = {readable(fields[name])}" for name in names),
            # Die schreibt der Server zu jedem Patch dazu; der Patch steht schon davor.
            "internal": names == ["TemporalChangeVersion"],
        }

    def _properties(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        fields = a.upserted_memo.fields
        return {
            "kind": StepKind.ATTRIBUTES,
            "actor": "workflow",
            "title": "Memo geändert",
            "detail": ", ".join(f"{name} = {readable(fields[name])}" for name in sorted(fields)),
        }

    def _options(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        if build := a.versioning_override.pinned.version.build_id:
            return {"kind": StepKind.OTHER, "actor": "server", "title": f"umgelenkt auf Version {build}"}
        skipping_only = a.time_skipping_config_updated or a.HasField("time_skipping_config")
        return {
            "kind": StepKind.OTHER,
            "actor": "server",
            "title": "Zeitraffer umgestellt" if skipping_only else "Optionen des Workflows geändert",
            "internal": bool(skipping_only),
        }

    def _task(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        kind = event.WhichOneof("attributes") or ""
        word = {"scheduled": "geplant", "started": "begonnen", "completed": "erledigt"}[kind.split("_")[2]]
        values: dict[str, Any] = {
            "kind": StepKind.WORKFLOW_TASK,
            "actor": "server" if "scheduled" in kind else "workflow",
            "title": f"Workflow-Task {word}",
            "internal": True,
            "caused_by": getattr(a, "scheduled_event_id", None),
        }
        if "scheduled" in kind:
            return values
        if a.identity and self._lost:
            same = a.identity == self._worker
            previous = self._worker or "Der vorige Worker"
            values |= {
                "kind": StepKind.TAKEOVER,
                "title": f"{a.identity} {'macht weiter' if same else 'übernimmt'}",
                "detail": "" if same else f"{previous} meldet sich nicht mehr; Replay der Historie",
                "internal": False,
            }
        if a.identity:
            self._worker, self._lost = a.identity, False
        build = a.deployment_version.build_id if "completed" in kind else ""
        if build and build != self._build:
            values |= {
                "kind": StepKind.OTHER,
                "title": f"Version {build} {'macht weiter' if self._build else 'beginnt'}",
                "detail": f"bisher Version {self._build}" if self._build else "",
                "internal": False,
            }
            self._build = build
        return values

    def _task_timed_out(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        self._lost = True
        started = self._by_id.get(a.started_event_id)
        worker = (started and started.workflow_task_started_event_attributes.identity) or self._worker
        reason = _TASK_TIMEOUTS.get(a.timeout_type, "Workflow-Task überfällig")
        return {
            "kind": StepKind.CRASH,
            "actor": "server",
            "title": f"{worker or 'Worker'} antwortet nicht",
            "detail": reason,
            "identity": worker,
            "caused_by": a.scheduled_event_id or None,
        }

    def _task_failed(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        failure = failure_text(a.failure) if a.HasField("failure") else ""
        cause = a.DESCRIPTOR.fields_by_name["cause"].enum_type.values_by_number.get(a.cause)
        name = words(cause.name.removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")) if cause and a.cause else ""
        if a.identity:
            self._worker = a.identity
        return {
            "kind": StepKind.WORKFLOW_TASK_FAILED,
            "actor": "workflow",
            "title": "Workflow-Task gescheitert",
            "detail": failure or name,
            "failure": failure or name,
            "name": name,
        }

    def _other(self, event: HistoryEvent, a: Any) -> dict[str, Any]:
        name = event_name(event)
        return {"kind": StepKind.OTHER, "actor": "server", "title": _TITLES.get(name, name)}


def _attributes(*names: str) -> list[str]:
    return [f"{name}_event_attributes" for name in names]


CLOSING = {
    f"workflow_execution_{name}_event_attributes": value
    for name, value in {
        "completed": (StepKind.COMPLETED, "Workflow fertig"),
        "failed": (StepKind.FAILED, "Workflow gescheitert"),
        "canceled": (StepKind.CANCELED, "Workflow abgebrochen"),
        "terminated": (StepKind.TERMINATED, "Workflow beendet (Terminate)"),
        "timed_out": (StepKind.TIMED_OUT, "Workflow: Frist überschritten"),
        "continued_as_new": (StepKind.CONTINUED_AS_NEW, "Continue-As-New: neuer Lauf, leere Historie"),
    }.items()
}
_ACTIVITY_CLOSING = {
    f"activity_task_{name}_event_attributes": value
    for name, value in {
        "completed": (StepKind.ACTIVITY_COMPLETED, "erledigt"),
        "failed": (StepKind.ACTIVITY_FAILED, "gescheitert"),
        "timed_out": (StepKind.ACTIVITY_TIMED_OUT, "überfällig"),
        "canceled": (StepKind.ACTIVITY_CANCELED, "abgebrochen"),
    }.items()
}
_CHILD = {
    f"{name}_event_attributes": value
    for name, value in {
        "start_child_workflow_execution_failed": (StepKind.CHILD_FAILED, "nicht gestartet"),
        "child_workflow_execution_started": (StepKind.CHILD_STARTED, "gestartet"),
        "child_workflow_execution_completed": (StepKind.CHILD_COMPLETED, "fertig"),
        "child_workflow_execution_failed": (StepKind.CHILD_FAILED, "gescheitert"),
        "child_workflow_execution_canceled": (StepKind.CHILD_CANCELED, "abgebrochen"),
        "child_workflow_execution_timed_out": (StepKind.CHILD_FAILED, "überfällig"),
        "child_workflow_execution_terminated": (StepKind.CHILD_FAILED, "beendet (Terminate)"),
    }.items()
}
_NEXUS = {
    f"nexus_operation_{name}_event_attributes": value
    for name, value in {
        "started": (StepKind.NEXUS_STARTED, "gestartet"),
        "completed": (StepKind.NEXUS_COMPLETED, "fertig"),
        "failed": (StepKind.NEXUS_FAILED, "gescheitert"),
        "canceled": (StepKind.NEXUS_CANCELED, "abgebrochen"),
        "timed_out": (StepKind.NEXUS_FAILED, "überfällig"),
        "cancel_requested": (StepKind.NEXUS_CANCEL_REQUESTED, "soll abbrechen"),
        "cancel_request_completed": (StepKind.OTHER, "hat den Abbruch angenommen"),
        "cancel_request_failed": (StepKind.OTHER, "hat den Abbruch abgelehnt"),
    }.items()
}
_EXTERNAL = {
    f"{name}_event_attributes": value
    for name, value in {
        "signal_external_workflow_execution_failed": (StepKind.SIGNAL_FAILED, "Signal {name} nicht zustellbar"),
        "external_workflow_execution_signaled": (StepKind.SIGNAL_DELIVERED, "Signal {name} zugestellt"),
        "request_cancel_external_workflow_execution_initiated": (StepKind.CANCEL_SENT, "Abbruch verlangt: {id}"),
        "request_cancel_external_workflow_execution_failed": (StepKind.CANCEL_FAILED, "Abbruch nicht zustellbar: {id}"),
        "external_workflow_execution_cancel_requested": (StepKind.CANCEL_DELIVERED, "Abbruch zugestellt: {id}"),
    }.items()
}
_CAUSES = {
    "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND": "diesen Workflow gibt es nicht",
    "NAMESPACE_NOT_FOUND": "diesen Namespace gibt es nicht",
    "SIGNAL_COUNT_LIMIT_EXCEEDED": "zu viele Signale",
}
_TITLES = {
    "WorkflowExecutionPaused": "Workflow angehalten",
    "WorkflowExecutionUnpaused": "Workflow fortgesetzt",
    "Unspecified": "Unbekanntes Event",
}
_MOST_ATTEMPTS = 50
"""Mehr Versuche zeigt kein Bild einzeln."""
_INITIATORS = {
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW: "nach Continue-As-New",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY: "Retry des Workflows",
    ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE: "nächster Lauf des Cron-Plans",
}
_TASK_TIMEOUTS = {
    TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START: "Workflow-Task nicht abgeholt (Schedule-to-Start-Timeout)",
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "Workflow-Task nicht beendet (Start-to-Close-Timeout)",
}
_Handler = Callable[[_Reader, HistoryEvent, Any], dict[str, Any]]
_HANDLERS: dict[str, _Handler] = {
    "workflow_execution_started_event_attributes": _Reader._started,
    **dict.fromkeys(CLOSING, _Reader._closed),
    "activity_task_scheduled_event_attributes": _Reader._activity_scheduled,
    "activity_task_started_event_attributes": _Reader._activity_started,
    **dict.fromkeys(_ACTIVITY_CLOSING, _Reader._activity_closed),
    "activity_task_cancel_requested_event_attributes": _Reader._activity_cancel,
    "timer_started_event_attributes": _Reader._timer_started,
    **dict.fromkeys(_attributes("timer_fired", "timer_canceled"), _Reader._timer_closed),
    "workflow_execution_time_skipping_transitioned_event_attributes": _Reader._time_skip,
    "workflow_execution_signaled_event_attributes": _Reader._signaled,
    "signal_external_workflow_execution_initiated_event_attributes": _Reader._signal_sent,
    **dict.fromkeys(_EXTERNAL, _Reader._external),
    "workflow_execution_update_admitted_event_attributes": _Reader._update_admitted,
    "workflow_execution_update_accepted_event_attributes": _Reader._update_accepted,
    "workflow_execution_update_completed_event_attributes": _Reader._update_completed,
    "workflow_execution_update_rejected_event_attributes": _Reader._update_rejected,
    "workflow_execution_cancel_requested_event_attributes": _Reader._cancel_requested,
    "start_child_workflow_execution_initiated_event_attributes": _Reader._child_initiated,
    **dict.fromkeys(_CHILD, _Reader._child),
    "nexus_operation_scheduled_event_attributes": _Reader._nexus_scheduled,
    **dict.fromkeys(_NEXUS, _Reader._nexus),
    "marker_recorded_event_attributes": _Reader._marker,
    "upsert_workflow_search_attributes_event_attributes": _Reader._search_attributes,
    "workflow_properties_modified_event_attributes": _Reader._properties,
    "workflow_execution_options_updated_event_attributes": _Reader._options,
    **dict.fromkeys(
        _attributes("workflow_task_scheduled", "workflow_task_started", "workflow_task_completed"), _Reader._task
    ),
    "workflow_task_timed_out_event_attributes": _Reader._task_timed_out,
    "workflow_task_failed_event_attributes": _Reader._task_failed,
}


def event_name(event: HistoryEvent) -> str:
    """Name des Event-Typs, wie ihn Temporals Dokumentation schreibt, z. B. ``ActivityTaskScheduled``."""
    value = EventType.DESCRIPTOR.values_by_number.get(event.event_type)
    if value is None:
        return f"Event-Typ {event.event_type}"
    return "".join(word.capitalize() for word in value.name.removeprefix("EVENT_TYPE_").split("_"))
