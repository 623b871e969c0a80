"""Ein Vergleich in Worten: der Satz darüber, die Stücke, in denen er gezeigt wird."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from dauerlauf.compare.align import Aspect, Comparison, Difference, Pair, Verdict
from dauerlauf.history import shorten
from dauerlauf.timeline import ENDINGS, STARTS, WHO, Look, Row

ALIKE = 4
"""Ab so vielen gleichartigen Unterschieden hintereinander steht nur der erste da."""
MOST = 120
"""So viele Stücke zeigt eine gekürzte Ausgabe höchstens."""
SHORT = 40
"""Längere Werte stehen nicht im zusammenfassenden Satz."""


@dataclass(frozen=True)
class Stretch:
    """Ein Stück des Vergleichs: ein Paar, oder mehrere, die zusammengefasst einen Titel tragen."""

    pairs: Sequence[Pair]
    title: str = ""


def stretches(pairs: Sequence[Pair]) -> Iterator[Stretch]:
    """Fasst zusammen, was sich zu lesen nicht lohnt: gleiche Schritte und Unterschiede, die sich wiederholen."""
    for verdict, group in groupby(pairs, key=lambda pair: pair.verdict):
        found = list(group)
        if verdict is Verdict.EQUAL:
            number = _count(found)
            if number < 2:
                yield from (Stretch([pair]) for pair in found)
            else:
                yield Stretch(found, f"{number} gleiche Schritte: {_names(found)}")
            continue
        for _, alike in groupby(found, key=_shape):
            same = list(alike)
            shown = same if len(same) < ALIKE else same[:1]
            yield from (Stretch([pair]) for pair in shown)
            if rest := same[len(shown) :]:
                yield Stretch(rest, f"{len(rest)} weitere ebenso: {_names(rest)}")


def shortened(found: Sequence[Stretch]) -> tuple[Sequence[Stretch], int]:
    """Höchstens :data:`MOST` Stücke, und wie viele Schritte damit wegfallen."""
    return found[:MOST], sum(_count(stretch.pairs) for stretch in found[MOST:])


def _shape(pair: Pair) -> tuple[str, ...]:
    return pair.verdict, pair.row.lane, pair.row.title, *(difference.aspect for difference in pair.differences)


def _count(pairs: Sequence[Pair]) -> int:
    return sum(pair.row.count for pair in pairs)


def _names(pairs: Sequence[Pair]) -> str:
    """Was in einem Stück geschieht, jeder Name einmal, lange Reihen in der Mitte gekürzt."""
    names = list(dict.fromkeys(pair.row.title for pair in pairs if pair.row.count))
    return ", ".join(names if len(names) <= 4 else [names[0], names[1], "…", names[-1]])


def actor(row: Row) -> str:
    """Wer handelt, wo es der Titel nicht schon sagt: das fremde System oder der Client."""
    return row.service or ("" if row.lane in ("workflow", "activity") else WHO[row.lane])


def heading(pair: Pair) -> str:
    """Das Urteil über ein Paar, mit dem, worin es sich unterscheidet: ``anders: Versuche, Worker``."""
    aspects = ", ".join(difference.aspect for difference in pair.differences)
    return f"{pair.verdict}: {aspects}" if aspects else pair.verdict.value


def cell(pair: Pair, choose: Callable[[Pair], Row | None], limit: int | None) -> tuple[Row, list[str]] | None:
    """Was auf einer Seite eines Paares steht: die Zeile und die Unterschiede, die in ihr selbst nicht zu sehen sind.

    Args:
        pair: Das Paar.
        choose: Welche Seite.
        limit: So viele Zeichen hat eine Einzelheit höchstens; ``None`` kürzt nicht.
    """
    row = choose(pair)
    if row is None:
        return None
    left = row is pair.left
    if pair.given and limit is not None:
        row = replace(row, detail="")
    lines = []
    for difference in pair.differences:
        value = difference.left if left else difference.right
        if difference.aspect in _UNSEEN and row.lane != "gap" and not (value and value in row.detail):
            lines.append(f"{difference.aspect}: {value or '–'}")
        elif difference.aspect is Aspect.RESULT and limit is not None and len(row.detail) > limit:
            row = replace(row, detail=f"… {value}")
    if limit is not None:
        row, lines = replace(row, detail=shorten(row.detail, limit)), [shorten(line, limit) for line in lines]
    return row, lines


_UNSEEN = {Aspect.KIND, Aspect.INPUT, Aspect.TIME, Aspect.WORKER}


def summary(comparison: Comparison) -> str:
    """Ein Satz: bis wohin beide Läufe gleich sind, wo sie auseinandergehen, was danach kommt und wie sie enden."""
    left, right = f"„{comparison.left.name}“", f"„{comparison.right.name}“"
    pairs = comparison.pairs
    parted = next((i for i, pair in enumerate(pairs) if pair.verdict is not Verdict.EQUAL and not pair.given), None)
    if parted is None:
        same = "Beide Läufe tun dasselbe"
        return f"{same}, nur mit anderer Eingabe." if any(pair.differences for pair in pairs) else f"{same}."
    before = [pair.row for pair in pairs[:parted] if pair.row.count and pair.row.look not in STARTS]
    # Wovor nur einer wartet, sagt mehr als die Wartezeit.
    if not pairs[parted].row.count and [pair.verdict for pair in pairs[parted + 1 : parted + 2]] == [
        pairs[parted].verdict
    ]:
        parted += 1
    parts = [f"Bis {before[-1].title} gleich" if before else "Von Anfang an verschieden"]
    parts += _parting(pairs[parted], left, right)
    parts += _afterwards(pairs[parted + 1 :], left, right)
    parts.append(_ending(comparison, left, right))
    return "; ".join(parts) + "."


def _parting(pair: Pair, left: str, right: str) -> Iterator[str]:
    row = pair.row
    if row.look in ENDINGS:
        return
    name = left if pair.verdict is Verdict.LEFT else right
    title = row.title if row.count else "die Wartezeit"
    if pair.verdict is Verdict.DIFFERENT:
        first = pair.differences[0]
        if first.aspect is Aspect.OUTCOME:
            yield f"{title} ist in {left} {first.left}, in {right} {first.right}"
        else:
            yield f"{title} unterscheidet sich ({', '.join(map(_values, pair.differences))})"
    elif not row.count:
        yield f"nur {name} wartet ({row.title.removesuffix(' später')})"
    elif row.part == "begin":
        yield f"in {name} geschieht schon anderes, während {title.removesuffix(' angenommen')} läuft"
    else:
        yield f"nur in {name}: {title}"


def _values(difference: Difference) -> str:
    left, right = difference.left or "–", difference.right or "–"
    if max(len(left), len(right)) > SHORT:
        return difference.aspect
    name, colon, value = left.partition(": ")
    if colon and right.startswith(f"{name}: ") and "," not in f"{left}{right}":
        left, right = f"{name} {value}", right.removeprefix(f"{name}: ")
    return f"{difference.aspect}: {left} / {right}"


def _afterwards(pairs: Sequence[Pair], left: str, right: str) -> Iterator[str]:
    counts = []
    for verdict, name in ((Verdict.LEFT, left), (Verdict.RIGHT, right)):
        rows = [pair.row for pair in pairs if pair.verdict is verdict and pair.row.count and pair.row.part != "begin"]
        undone = sum(row.look is Look.COMPENSATION for row in rows)
        if rows:
            note = f" ({_many(undone, 'Kompensation', 'Kompensationen')})" if undone else ""
            counts.append(f"{_many(len(rows), 'Schritt', 'Schritte')} nur in {name}{note}")
    different = [pair for pair in pairs if pair.verdict is Verdict.DIFFERENT and pair.row.look not in ENDINGS]
    if different:
        counts.append(f"{_many(_count(different), 'Schritt', 'Schritte')} anders")
    if counts:
        yield "danach " + " und ".join([", ".join(counts[:-1]), counts[-1]] if counts[:-1] else counts)


def _many(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _ending(comparison: Comparison, left: str, right: str) -> str:
    ends = [pair for pair in comparison.pairs if pair.row.look in ENDINGS]
    if not ends:
        return "beide laufen noch"
    running = "läuft noch"
    one = next((pair.left.title for pair in ends if pair.left), running)
    other = next((pair.right.title for pair in ends if pair.right), running)
    if one != other:
        return f"am Ende in {left}: {one}, in {right}: {other}"
    if aspects := [difference.aspect for pair in ends for difference in pair.differences]:
        return f"beide enden: {one}, aber mit anderem {Aspect.FAILURE if Aspect.FAILURE in aspects else Aspect.RESULT}"
    return f"beide enden gleich: {one}"
