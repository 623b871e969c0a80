"""Werte, die sich nur unterscheiden, weil die Eingaben es tun."""

from __future__ import annotations

import itertools
import re
from collections.abc import Set

_LEAF = re.compile(
    r"(?:(\w+): )?(„[^“]*“"
    r"|[^\s,;:{}\[\]„“()]+(?: \w+)? \(\d[\d,]* (?:Byte|KiB|MiB)\)"  # „verschlüsselt (95 Byte)“
    r"|[^\s,;:{}\[\]„“][^,;:{}\[\]„“]*(?=; )"  # die Zusammenfassung vor der Eingabe
    r"|(?!\w+: )[\w+-][^\s,{}\[\]„“]*)"
)
_GENERATED = re.compile(
    r"(?<!\w)(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|(?:(?=[a-f]*\d)(?=\d*[a-f])|(?<=\b[A-Z]-))[0-9a-f]{8,})(?!\w)"
)
_SHORTEST = 3
"""Kürzere Texte stehen zu oft zufällig irgendwo, um sie für die Eingabe zu halten."""


_Leaves = dict[tuple[str, int], str]


def leaves(text: str) -> _Leaves:
    """Die einzelnen Werte eines Payload-Textes: (Feld, wievieltes dieses Namens) → Wert."""
    found: _Leaves = {}
    counts: dict[str, int] = {}
    for match in _LEAF.finditer(text):
        name = match[1] or ""
        counts[name] = counts.get(name, -1) + 1
        found[name, counts[name]] = match[2]
    return found


def named(name: str, value: str) -> str:
    """Ein Wert mit seinem Feld, so wie er im Text steht."""
    return f"{name}: {value}" if name else value


class References:
    """Entscheidet, ob zwei Texte dasselbe sagen.

    Zwei Läufe bekommen verschiedene Eingaben: Die Bestellnummer ist eine andere, also auch alles, was aus ihr entsteht.
    Als gleich gelten deshalb

    - Werte der Eingabe, die sich links und rechts unterscheiden: das Feld mit seinem Wert (``cents: 4990``) und Texte
      ab drei Zeichen überall, wo sie vorkommen (``B-1001.txt``);
    - erzeugte Kennungen: UUIDs und Hexadezimales ab acht Stellen (``L-9a4f9755``; ohne Buchstaben darin nur hinter
      einem Kürzel wie ``L-``), solange dieselbe links immer derselben rechts entspricht. Wechselt die Entsprechung
      mitten im Lauf, ist das ein Unterschied.

    Zahlen für sich (``1`` und ``2``) gelten nie als Folge der Eingabe.
    """

    def __init__(self, left: str, right: str) -> None:
        """Aus den Eingaben der beiden Läufe."""
        one, other = leaves(left), leaves(right)
        self.inputs = _differing(one, other, one.keys() ^ other.keys() | {k for k in one if one[k] != other.get(k)})
        """Worin sich die Eingaben unterscheiden: links und rechts nur diese Werte; ``None``, wenn in nichts."""
        self._inputs: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for number, key in enumerate(sorted(one.keys() & other.keys())):
            if one[key] == other[key]:
                continue
            texts = (one[key].strip("„“"), other[key].strip("„“"))
            if all(value.startswith("„") for value in (one[key], other[key])) and min(map(len, texts)) >= _SHORTEST:
                for side, text in enumerate(texts):
                    self._inputs[side].setdefault(text, f"\0{number}\0")
            elif key[0]:
                for side, value in enumerate((one[key], other[key])):
                    self._inputs[side].setdefault(named(key[0], value), f"\0{number}\0")
        self._patterns = tuple(
            re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(side, key=len, reverse=True)))})(?!\w)")
            if side
            else None
            for side in self._inputs
        )
        self._partners: tuple[dict[str, str], dict[str, str]] = ({}, {})

    def masked(self, text: str, side: int) -> str:
        """Der Text ohne das, was aus der Eingabe folgt; ``side`` ist 0 für links, 1 für rechts."""
        return _GENERATED.sub("\1", self._without_inputs(text, side)) if text else ""

    def _without_inputs(self, text: str, side: int) -> str:
        pattern = self._patterns[side]
        return pattern.sub(lambda match: self._inputs[side][match[0]], text) if pattern else text

    def same(self, left: str, right: str) -> bool:
        """Ob beide Texte dasselbe sagen; merkt sich dabei, welche Kennungen einander entsprechen."""
        if not (left and right):
            return left == right
        one, other = self._without_inputs(left, 0), self._without_inputs(right, 1)
        if _GENERATED.sub("\1", one) != _GENERATED.sub("\1", other):
            return False
        pairs = zip(_GENERATED.findall(one), _GENERATED.findall(other), strict=True)
        return all(list(itertools.starmap(self.partners, pairs)))  # merkt sich alle, auch nach einem Unterschied

    def partners(self, left: str, right: str) -> bool:
        """Ob zwei Kennungen einander entsprechen; beim ersten Mal tun sie es."""
        return self._partners[0].setdefault(left, right) == right and self._partners[1].setdefault(right, left) == left

    def changes(self, left: str, right: str) -> tuple[str, str] | None:
        """Worin sich zwei Payload-Texte unterscheiden: nur die Werte, die es tun; ``None``, wenn keine."""
        if self.same(left, right):
            return None
        one, other = leaves(left), leaves(right)
        differing = {
            key
            for key in sorted(one.keys() | other.keys())
            if key not in one or key not in other or not self.same(named(key[0], one[key]), named(key[0], other[key]))
        }
        return _differing(one, other, differing) or (left, right)


def _differing(one: _Leaves, other: _Leaves, keys: Set[tuple[str, int]]) -> tuple[str, str] | None:
    if not keys:
        return None
    left, right = (", ".join(named(key[0], found[key]) for key in found if key in keys) for found in (one, other))
    return left, right
