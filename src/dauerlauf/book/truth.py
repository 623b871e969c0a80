"""Was an den Fragen des Buchs wahr ist: an Aufzeichnungen gerechnet, in Dateien gelesen, durch Tests belegt.

Eine ``quelle`` ist eines davon:

``lauf: saga/glatt`` und ``wert: events``
    Eine aufgezeichnete Event History und was daran zu zählen ist; siehe :func:`measure`.
``ausgabe: python -m kapitel08.patching.matrix`` und ``muster: "^Stufe 4 +(\\w+)"``
    Eine Ausgabe, die auf einer Seite steht (``dauerlauf ausgaben`` vergleicht sie mit dem Befehl), und was davon gilt:
    die erste Gruppe des regulären Ausdrucks.
``datei: kapitel07/saga/workflow.py#step``
    Ein Ausschnitt. Bei ``ordnen`` gilt die Reihenfolge der Stellen, bei ``zeilen`` die ``marke``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from temporalio.api.history.v1 import HistoryEvent

from dauerlauf import outputs
from dauerlauf.book import questions
from dauerlauf.book.proof import find_test
from dauerlauf.book.questions import Chapter, Question
from dauerlauf.errors import DauerlaufError

PER_GOAL = 2
GOALS = re.compile(r"^!!! lernziel[^\n]*\n\n((?: {4}[^\n]*\n)+)", re.MULTILINE)
# Diese Events erzeugt der Zeitraffer; auf einem gewöhnlichen Server gibt es sie nicht.
TIMELAPSE = ("WorkflowExecutionTimeSkippingTransitioned", "WorkflowExecutionOptionsUpdated")


def findings(root: Path) -> Iterator[tuple[str, str]]:
    """Was den Fragen fehlt, als Paare aus Ort und Satz: zu wenige je Lernziel, Ziele ohne Seite, falsche Antworten."""
    try:
        chapters = questions.load(root)
    except DauerlaufError as error:
        yield "book/fragen", str(error)
        return
    asked = {chapter.file.stem for chapter in chapters}
    for page in sorted(root.glob("book/teil*/kapitel*/index.md")):
        if page.parent.name not in asked and goals(page):
            yield page.relative_to(root).as_posix(), f"Zu den Lernzielen fehlt book/fragen/{page.parent.name}.yml."
    for chapter in chapters:
        yield from _chapter(root, chapter)
        for question in chapter.questions:
            try:
                check(root, question)
            except DauerlaufError as error:
                yield question.place, str(error)


def _chapter(root: Path, chapter: Chapter) -> Iterator[tuple[str, str]]:
    place = chapter.file.relative_to(root).as_posix()
    page = next(root.glob(f"book/teil*/kapitel{chapter.number:02d}/index.md"), None)
    if page is None or goals(page) != list(chapter.goals.values()):
        yield place, "Die Lernziele lauten anders als auf der Kapitelseite."
    for goal in chapter.goals:
        count = sum(question.goal == goal for question in chapter.questions)
        if count < PER_GOAL:
            yield place, f"Zum Lernziel „{goal}“ gibt es {count} Fragen; nötig sind {PER_GOAL}."


def goals(page: Path) -> list[str]:
    """Die Lernziele einer Kapitelseite in ihrem Wortlaut, ohne Satzzeichen am Ende."""
    block = GOALS.search(page.read_text(encoding="utf-8"))
    items = re.split(r"^ {4}- ", block[1], flags=re.MULTILINE)[1:] if block else []
    return [" ".join(item.split()).rstrip(";.") for item in items]


def check(root: Path, question: Question) -> None:
    """DauerlaufError, wenn die Antwort nicht die der Quelle ist oder ein Verweis der Frage ins Leere geht."""
    questions.heading(root, question.see)
    if question.proof:
        find_test(root, question.proof)
    if question.kind == "zeilen" and not question.proof:
        raise DauerlaufError("Eine Fundstelle braucht als „beweis“ den Test, der sie rot werden lässt.")
    if question.kind == "ordnen":
        _check_order(root, question)
    elif question.source and question.kind != "zeilen":
        true = truth(root, question.source)
        for option in question.options:
            value = option.text if question.kind == "zahl" else option.value
            if not value:
                raise DauerlaufError(
                    f"Der Antwort „{option.text}“ fehlt der „wert“, mit dem die Quelle sie vergleicht."
                )
            if (value in true) != option.right:
                found = ", ".join(sorted(true))
                raise DauerlaufError(f"Bei „{option.text}“ sagt die Quelle etwas anderes: {found}.")


def truth(root: Path, source: Mapping[str, str]) -> frozenset[str]:
    """Alle Werte, die nach einer Quelle wahr sind; meist ist es einer."""
    if "lauf" in source:
        return measure(history(source["lauf"]), source.get("wert", ""))
    if "ausgabe" in source:
        return frozenset({_from_output(root, source["ausgabe"], source.get("muster", ""))})
    raise DauerlaufError("Diese „quelle“ liefert keinen Wert; möglich sind „lauf“ und „ausgabe“.")


@lru_cache(maxsize=64)
def history(name: str) -> tuple[tuple[str, HistoryEvent], ...]:
    """Die Events einer Aufzeichnung ``muster/szenario``, jedes mit Typ und Namen: ``ActivityTaskStarted ship_parcel``.

    Ohne die Events des Zeitraffers. DauerlaufError, wenn Muster, Szenario oder Aufzeichnung fehlen.
    """
    from dauerlauf.compare import recording
    from dauerlauf.history import event_name, load
    from dauerlauf.scenario import find_pattern

    pattern, _, scenario = name.partition("/")
    found: list[tuple[str, HistoryEvent]] = []
    names: dict[int, str] = {}
    for event in load(recording(find_pattern(pattern).find(scenario))).events:
        kind = event_name(event)
        attributes = getattr(event, event.WhichOneof("attributes") or "", None)
        if kind == "ActivityTaskScheduled":
            names[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        of = names.get(event.event_id) or names.get(getattr(attributes, "scheduled_event_id", 0), "")
        if kind not in TIMELAPSE:
            found.append((f"{kind} {of}".strip(), event))
    return tuple(found)


def measure(events: Sequence[tuple[str, HistoryEvent]], expression: str) -> frozenset[str]:
    """Rechnet einen Ausdruck an einer History aus.

    ``events``, ``events ActivityTaskScheduled`` und ``events ActivityTaskScheduled ship_parcel`` zählen; ``typen`` sind
    alle vorkommenden Typen, mit Namen und ohne; ``status`` ist der Ausgang (COMPLETED, FAILED, CANCELED, RUNNING ...);
    ``versuche ship_parcel`` ist die Nummer des letzten Versuchs dieser Activity; ``sekunden A -> B`` ist die Zeit vom
    ersten A bis zum ersten B danach, auf ganze Sekunden.
    """
    what, _, rest = expression.partition(" ")
    labels = [label for label, _ in events]
    if what == "events":
        return frozenset({str(sum(_is(label, rest) for label in labels))})
    if what == "typen":
        return frozenset(labels) | {label.partition(" ")[0] for label in labels}
    if what == "status":
        return frozenset({_status(labels[-1])})
    if what == "versuche":
        return frozenset(
            {str(_event(events, f"ActivityTaskStarted {rest}").activity_task_started_event_attributes.attempt)}
        )
    if what == "sekunden" and " -> " in rest:
        first, _, last = rest.partition(" -> ")
        start = _event(events, first)
        end = _event([pair for pair in events if pair[1].event_id > start.event_id], last)
        return frozenset({str(round((_time(end) - _time(start)).total_seconds()))})
    raise DauerlaufError(f"Den Ausdruck „{expression}“ gibt es nicht.")


def _is(label: str, wanted: str) -> bool:
    return not wanted or label == wanted or label.partition(" ")[0] == wanted


def _status(last: str) -> str:
    return last.removeprefix("WorkflowExecution").upper() if last.startswith("WorkflowExecution") else "RUNNING"


def _event(events: Sequence[tuple[str, HistoryEvent]], wanted: str) -> HistoryEvent:
    for label, event in events:
        if _is(label, wanted):
            return event
    raise DauerlaufError(f"In der Aufzeichnung steht kein „{wanted}“.")


def _time(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime()


def _from_output(root: Path, command: str, pattern: str) -> str:
    shown = outputs.shown(root, command)
    if shown is None:
        raise DauerlaufError(f"Auf keiner Seite steht die Ausgabe von `{command}`.")
    match = re.search(pattern, shown, re.MULTILINE)
    if not match or not match.groups():
        raise DauerlaufError(f"Das Muster „{pattern}“ findet in der Ausgabe von `{command}` nichts.")
    return match[1]


def _check_order(root: Path, question: Question) -> None:
    """Jede Stelle muss in der Quelle vorkommen, genau einmal und in der Reihenfolge der Frage."""
    if "lauf" in question.source:
        lines = [label for label, _ in history(question.source["lauf"])]
    else:
        lines = [line.text for line in questions.listing(root, question.source)]
    places = []
    for step in question.options:
        if not step.right:
            continue
        found = [number for number, text in enumerate(lines) if step.value and step.value in text]
        if len(found) != 1:
            raise DauerlaufError(f"Die Stelle „{step.value}“ kommt in der Quelle {len(found)}-mal vor statt einmal.")
        places += found
    if places != sorted(set(places)):
        raise DauerlaufError("In der Quelle stehen die Schritte in anderer Reihenfolge.")
