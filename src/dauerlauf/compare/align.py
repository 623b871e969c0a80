"""Die Zeilen zweier Läufe paaren und sagen, worin sich jedes Paar unterscheidet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum

from rich.console import Console, ConsoleOptions, RenderResult

from dauerlauf.compare.lcs import common
from dauerlauf.compare.references import References
from dauerlauf.history import Step, StepKind, duration_text
from dauerlauf.timeline import GAP, STARTS, Captions, Look, Row, rows


class Verdict(StrEnum):
    """Das Urteil über ein Paar; der Wert ist das Wort, das Leserinnen und Leser sehen."""

    EQUAL = "gleich"
    DIFFERENT = "anders"
    LEFT = "nur links"
    RIGHT = "nur rechts"


class Aspect(StrEnum):
    """Worin sich zwei gepaarte Zeilen unterscheiden."""

    NAME = "Name"
    KIND = "Art"
    INPUT = "Eingabe"
    OUTCOME = "Ausgang"
    RESULT = "Ergebnis"
    FAILURE = "Fehler"
    ATTEMPTS = "Versuche"
    TIME = "Dauer"
    WORKER = "Worker"


@dataclass(frozen=True, slots=True)
class Difference:
    """Ein Unterschied: worin, und was links und rechts steht."""

    aspect: Aspect
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Pair:
    """Zwei Zeilen, die einander entsprechen, oder eine, zu der es drüben keine gibt."""

    left: Row | None
    right: Row | None
    differences: tuple[Difference, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Das Urteil."""
        if self.right is None:
            return Verdict.LEFT
        if self.left is None:
            return Verdict.RIGHT
        return Verdict.DIFFERENT if self.differences else Verdict.EQUAL

    @property
    def row(self) -> Row:
        """Die Zeile, die es gibt; bei zweien die linke."""
        found = self.left or self.right
        assert found is not None
        return found

    @property
    def given(self) -> bool:
        """Ob hier die Läufe beginnen: Was sich da unterscheidet, ist gewollt und noch kein Auseinandergehen."""
        return self.row.look in STARTS and self.left is not None and self.right is not None


@dataclass(frozen=True)
class Side:
    """Ein Lauf, der verglichen wird: sein Name, seine Schritte, die Legende seines Musters."""

    name: str
    steps: Sequence[Step]
    legend: Captions | None = None
    title: str = ""


@dataclass(frozen=True)
class Comparison:
    """Das Ergebnis eines Vergleichs; zeigt sich im Notebook als Abbildung und im Terminal als Tabelle."""

    left: Side
    right: Side
    pairs: tuple[Pair, ...]

    def _repr_html_(self) -> str:
        from dauerlauf.compare.page import html

        return html(self, title=f"{self.left.title or self.left.name} – {self.right.title or self.right.name}")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Für ``rich.print``: der Satz und die Tabelle."""
        from dauerlauf.compare.terminal import table
        from dauerlauf.compare.words import summary

        yield summary(self)
        yield table(self)


def compare(left: Side, right: Side) -> Comparison:
    """Vergleicht zwei Läufe.

    Gepaart wird nach dem, was geschieht (Art, Name, Beginn oder Ende), unter Wahrung der Reihenfolge; unter mehreren
    Möglichkeiten gewinnt die mit mehr gleichen Ergebnissen. Die Nummer der Quellzeile zählt nicht: Eine eingefügte
    Zeile verschiebt alle folgenden. Was aus verschiedenen Eingaben bloß folgt, ist kein Unterschied; siehe
    :class:`dauerlauf.compare.references.References`.

    Zeit: Uhrzeiten werden nicht verglichen, denn eine Verzögerung verschiebt alles danach. Verglichen werden die
    Wartezeiten selbst (eigene Zeilen ab :data:`dauerlauf.timeline.GAP`, Unterschiede darunter gelten als gleich) und
    die Dauer der Timer. Worker: Verglichen wird, wo er wechselt; nach einer Übernahme geht es ohne neuen Unterschied
    weiter.

    Args:
        left: Der Lauf links, etwa der ungestörte oder der mit altem Code.
        right: Der Lauf rechts.

    Returns:
        Die Paare in der Reihenfolge beider Läufe; wo sie auseinandergehen, zuerst die linken Zeilen.
    """
    references = References(_input(left.steps), _input(right.steps))
    one, other = (_Run(side, references, index) for index, side in enumerate((left, right)))
    references.partners(one.worker, other.worker)
    # Bei mehreren gleich langen Lösungen soll dieselbe herauskommen, gleich welcher Lauf links steht.
    if one.words <= other.words:
        matches = _matches(one.words, other.words)
    else:
        matches = [(i, j) for j, i in _matches(other.words, one.words)]
    return Comparison(left, right, tuple(_pairs(one, other, matches, references)))


def joined(found: Sequence[Row]) -> list[Row]:
    """Die Zeilen, in denen ein Vorgang nur einmal steht, wenn zwischen Beginn und Ende bloß Zeit vergeht.

    Ein zweiter Versuch nach einer Pause ist so derselbe Schritt wie einer, der gleich gelang; der Unterschied liegt in
    den Versuchen und der Dauer.
    """
    result: list[Row] = []
    index = 0
    while index < len(found):
        row = found[index]
        end = index + 1
        while row.part == "begin" and end < len(found) and found[end].lane == "gap":
            end += 1
        if row.part == "begin" and end < len(found) and found[end].operation == row.operation:
            result.append(replace(found[end], time=row.time, part="whole", source=row.source))
            index = end
        else:
            result.append(row)
        index += 1
    return result


def _input(steps: Sequence[Step]) -> str:
    return steps[0].detail if steps and steps[0].kind is StepKind.STARTED else ""


_OPENERS = {
    StepKind.ACTIVITY_SCHEDULED,
    StepKind.TIMER_STARTED,
    StepKind.CHILD_INITIATED,
    StepKind.NEXUS_SCHEDULED,
    StepKind.UPDATE_ACCEPTED,
}
_NOT_CLOSING = {
    StepKind.ACTIVITY_STARTED,
    StepKind.ACTIVITY_CANCEL_REQUESTED,
    StepKind.CHILD_STARTED,
    StepKind.NEXUS_STARTED,
    StepKind.NEXUS_CANCEL_REQUESTED,
    StepKind.OTHER,
}
_ENDINGS = {
    StepKind.COMPLETED,
    StepKind.FAILED,
    StepKind.TIMED_OUT,
    StepKind.TERMINATED,
    StepKind.CANCELED,
    StepKind.CONTINUED_AS_NEW,
}
_INPUTS = {StepKind.STARTED, StepKind.SIGNAL, StepKind.SIGNAL_SENT}
_GONE = {StepKind.CRASH, StepKind.TAKEOVER}
_ACTIVITIES = {StepKind.ACTIVITY_SCHEDULED: "Activity", StepKind.LOCAL_ACTIVITY: "Local Activity"}


@dataclass(frozen=True)
class _Item:
    """Eine Zeile, die gepaart wird, mit der Wartezeit davor und dem, was verglichen wird."""

    row: Row
    gap: Row | None
    key: tuple[str, ...]
    facts: dict[Aspect, str]
    worker: str = ""
    changed: bool = False


@dataclass
class _Run:
    """Die Zeilen eines Laufs, fertig zum Paaren."""

    side: Side
    references: References
    index: int
    items: list[_Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps: dict[int | None, list[Step]] = {}
        for step in self.side.steps:
            self._steps.setdefault(step.number, []).append(step)
        caused = [step for step in self.side.steps if step.caused_by is not None]
        self._closes = {step.caused_by: step for step in caused if step.kind not in _NOT_CLOSING}
        self._starts = {step.caused_by: step for step in caused if step.kind is StepKind.ACTIVITY_STARTED}
        gap: Row | None = None
        self.worker = worker = next((step.identity for step in self.side.steps if _works(step)), "")
        for row in joined(rows(self.side.steps, self.side.legend, fold=False)):
            if row.lane == "gap":
                gap = row
                continue
            item = self._item(row, gap, worker)
            gap, worker = None, item.worker or worker
            self.items.append(item)
        self.words = [word for item in self.items for word in self._words(item)]

    def _words(self, item: _Item) -> Iterator[tuple[str, ...]]:
        """Jede Zeile zählt doppelt: als das, was geschieht, und zusammen damit, wie es ausgeht."""
        outcome = (item.facts.get(aspect, "") for aspect in (Aspect.OUTCOME, Aspect.RESULT, Aspect.TIME))
        yield item.key
        yield (*item.key, *(self.references.masked(text, self.index) for text in outcome))

    def _item(self, row: Row, gap: Row | None, worker: str) -> _Item:
        # Was kein Event ist, trägt die Nummer des Events davor; dann entscheidet der Titel.
        candidates = self._steps[row.operation]
        step = next((step for step in candidates if step.title == row.title), candidates[0])
        if step.kind not in _OPENERS:
            return self._single(step, row, gap, worker)
        close = self._closes.get(step.number)
        begins = row.part == "begin" and close is not None
        name = "activity" if step.kind in _ACTIVITIES else step.kind.name
        key = (name, "" if step.kind is StepKind.TIMER_STARTED else step.name, "begin" if begins else "")
        facts: dict[Aspect, str] = {}
        if step.kind in _ACTIVITIES:
            facts[Aspect.KIND] = _ACTIVITIES[step.kind]
        if row.part != "end":
            facts[Aspect.INPUT] = step.detail
        if step.duration is not None:
            facts[Aspect.TIME] = duration_text(step.duration)
        elif row.part == "whole":
            facts[Aspect.TIME] = duration_text(_length(row)) if _length(row) >= GAP else "unter 1 s"
        if begins:
            return _Item(row, gap, key, facts)
        start = self._starts.get(step.number)
        facts[Aspect.OUTCOME] = _outcome(close) if close else "läuft noch"
        facts[Aspect.ATTEMPTS] = str(row.attempts)
        if close and close.failure:
            facts[Aspect.FAILURE] = close.failure
        elif close:
            facts[Aspect.RESULT] = close.detail
            facts[Aspect.FAILURE] = start.failure if start else ""
        acting = close.identity if close and step.kind is StepKind.ACTIVITY_SCHEDULED else ""
        return _Item(row, gap, key, facts, acting, bool(acting and worker) and acting != worker)

    def _single(self, step: Step, row: Row, gap: Row | None, worker: str) -> _Item:
        facts = {Aspect.FAILURE: step.failure}
        if step.kind is StepKind.LOCAL_ACTIVITY:
            facts[Aspect.KIND] = _ACTIVITIES[step.kind]
            facts[Aspect.OUTCOME] = "gescheitert" if step.failure else "erledigt"
            facts[Aspect.ATTEMPTS] = str(row.attempts)
            facts[Aspect.RESULT] = "" if step.failure else step.detail
            return _Item(row, gap, ("activity", step.name, ""), facts)
        if step.kind in _GONE:
            facts[Aspect.OUTCOME] = step.title.removeprefix(step.identity).strip()
            facts[Aspect.FAILURE] = step.detail if step.kind is StepKind.CRASH else ""
            return _Item(row, gap, (step.kind.name,), facts, step.identity if step.kind is StepKind.TAKEOVER else "")
        if step.kind in _ENDINGS:
            facts[Aspect.OUTCOME] = step.title
            facts[Aspect.RESULT] = "" if step.failure else step.detail
            return _Item(row, gap, ("Ende",), facts)
        if step.kind is StepKind.STARTED:
            facts[Aspect.NAME] = step.name
            facts[Aspect.INPUT] = step.detail
            return _Item(row, gap, (step.kind.name,), facts)
        facts[Aspect.INPUT if step.kind in _INPUTS else Aspect.RESULT] = "" if step.failure else step.detail
        return _Item(row, gap, (step.kind.name, self.references.masked(step.title, self.index)), facts)


def _works(step: Step) -> bool:
    return bool(step.identity) and step.kind in (StepKind.WORKFLOW_TASK, StepKind.ACTIVITY_STARTED)


_TIMERS = {StepKind.TIMER_FIRED: "abgelaufen", StepKind.TIMER_CANCELED: "gelöscht"}


def _outcome(close: Step) -> str:
    """Das Wort hinter dem Namen im Titel: „erledigt“, „gescheitert“, „abgebrochen“ …"""
    return _TIMERS.get(close.kind) or close.title.rpartition(close.name)[2].strip()


def _matches(left: Sequence[tuple[str, ...]], right: Sequence[tuple[str, ...]]) -> list[tuple[int, int]]:
    """Welche Zeilen einander entsprechen. Ein gleicher Ausgang (ungerade Stellen) geht dem gleichen Namen vor."""
    found = common(left, right)
    exact = {i // 2: j // 2 for i, j in found if i % 2 and j % 2}
    taken = set(exact.values())
    for i, j in found:
        if i // 2 not in exact and j // 2 not in taken:
            exact[i // 2] = j // 2
            taken.add(j // 2)
    return sorted(exact.items())


def _pairs(one: _Run, other: _Run, matches: Iterable[tuple[int, int]], references: References) -> Iterator[Pair]:
    i = j = 0
    for left, right in [*matches, (len(one.items), len(other.items))]:
        for item in one.items[i:left]:
            yield from (Pair(row, None) for row in (item.gap, item.row) if row)
        for item in other.items[j:right]:
            yield from (Pair(None, row) for row in (item.gap, item.row) if row)
        if left < len(one.items):
            yield from _matched(one.items[left], other.items[right], references)
        i, j = left + 1, right + 1


def _matched(one: _Item, other: _Item, references: References) -> Iterator[Pair]:
    if one.gap or other.gap:
        yield Pair(one.gap, other.gap, tuple(_waiting(one.gap, other.gap)))
    yield Pair(one.row, other.row, tuple(_differences(one, other, references)))


def _waiting(left: Row | None, right: Row | None) -> Iterator[Difference]:
    if left and right and not _as_long(left, right):
        yield Difference(Aspect.TIME, duration_text(_length(left)), duration_text(_length(right)))


def _as_long(left: Row, right: Row) -> bool:
    return abs(_length(left) - _length(right)) < GAP


def _length(row: Row) -> timedelta:
    return row.end - row.time


def _differences(one: _Item, other: _Item, references: References) -> Iterator[Difference]:
    for aspect in Aspect:
        left, right = one.facts.get(aspect, ""), other.facts.get(aspect, "")
        if aspect is Aspect.WORKER:
            if _moved(one, other, references):
                yield Difference(aspect, one.worker, other.worker)
        elif aspect in (Aspect.INPUT, Aspect.TIME) and not (aspect in one.facts and aspect in other.facts):
            continue  # Wo ein Vorgang bloß endet, steht beides nicht; eine Local Activity nennt beides nie.
        elif aspect in (Aspect.RESULT, Aspect.FAILURE) and _implied(aspect, one.facts, other.facts):
            continue
        elif aspect is Aspect.INPUT and one.row.look in STARTS:
            if references.inputs:
                yield Difference(aspect, *references.inputs)
        elif aspect in (Aspect.INPUT, Aspect.RESULT):
            if changes := references.changes(left, right):
                yield Difference(aspect, *changes)
        elif aspect is Aspect.TIME and (one.row.look is not Look.TIMER and _as_long(one.row, other.row)):
            continue
        elif not references.same(left, right):
            yield Difference(aspect, left, right)


def _moved(one: _Item, other: _Item, references: References) -> bool:
    """Ob nur einer der Läufe hier den Worker wechselt, oder beide zu solchen, die einander nicht entsprechen."""
    if not (one.worker and other.worker) or one.worker == other.worker:
        return False
    return (one.changed or other.changed) and not references.partners(one.worker, other.worker)


def _implied(aspect: Aspect, one: dict[Aspect, str], other: dict[Aspect, str]) -> bool:
    """Ob Ergebnis oder Fehler schon deshalb verschieden sind, weil es der Ausgang oder die Zahl der Versuche ist."""
    if one.get(Aspect.OUTCOME) != other.get(Aspect.OUTCOME):
        return True
    retried = one.get(Aspect.ATTEMPTS) != other.get(Aspect.ATTEMPTS)
    return aspect is Aspect.FAILURE and retried and Aspect.RESULT in one
