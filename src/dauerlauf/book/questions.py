"""Die Fragen des Buchs: lesen, auf ihre Form prüfen, für eine Wiederholung ziehen.

Alle Fragen stehen in ``book/fragen/kapitelNN.yml``; wie man eine schreibt, sagt CONTRIBUTING.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from dauerlauf.book.page import front_matter
from dauerlauf.book.sources import Line, excerpt
from dauerlauf.errors import DauerlaufError

KINDS = ("eine", "mehrere", "zahl", "ordnen", "zeilen")
DRAWN = 3
"""So viele Fragen zieht eine Wiederholung."""
SHORT = ("eine", "mehrere", "zahl")
"""Nur solche zieht sie: Zum Aufwärmen sind die anderen zu lang."""
ANCHOR = r"\{{[^}}]*#{}[\s}}]"
FILE = re.compile(r"kapitel(\d\d)\.yml")
COMMON = frozenset({"id", "ziel", "art", "frage", "erklaerung", "siehe", "quelle", "beweis", "nur_hier"})
FIELDS: dict[str, frozenset[str]] = {
    "eine": frozenset({"antworten"}),
    "mehrere": frozenset({"antworten"}),
    "zahl": frozenset({"antwort", "einheit", "irrwege", "sonst"}),
    "ordnen": frozenset({"schritte", "stoerer", "sonst"}),
    "zeilen": frozenset({"irrwege", "sonst"}),
}
OPTIONAL = frozenset({"quelle", "beweis", "nur_hier", "einheit"})


@dataclass(frozen=True)
class Option:
    """Etwas, das man wählen, eintippen oder einsortieren kann.

    `feedback` ist die Rückmeldung dazu. `value` ist der Wert, den die Quelle liefert, wenn die Antwort stimmt; bei
    einem Schritt zum Ordnen die Stelle in der Quelle.
    """

    text: str
    right: bool
    feedback: str = ""
    value: str = ""


@dataclass(frozen=True)
class Question:
    """Eine Frage; `see` ist eine Stelle im Buch (``teil1/kapitel01/index.md#garantien``).

    `options` stehen bei `ordnen` in der richtigen Reihenfolge, Störer am Ende; bei `zeilen` sind es die Zeilen der
    Quelle; bei `zahl` die richtige Zahl und die Irrwege dorthin. `otherwise` gilt, wo keine Rückmeldung passt.
    """

    id: str
    chapter: int
    goal: str
    kind: str
    text: str
    options: tuple[Option, ...]
    otherwise: str
    unit: str
    explanation: str
    see: str
    source: Mapping[str, str]
    proof: str
    here_only: bool
    place: str

    @property
    def prose(self) -> str:
        """Alles, was die Leserin zu sehen bekommt, absatzweise, ohne Code."""
        told = [option.text for option in self.options if self.kind in {"eine", "mehrere", "ordnen"}]
        feedback = [option.feedback for option in self.options]
        parts = [self.text, *told, *feedback, self.otherwise, self.explanation]
        return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True)
class Chapter:
    """Die Fragen eines Kapitels und seine Lernziele (Kürzel und Wortlaut der Kapitelseite)."""

    number: int
    goals: Mapping[str, str]
    questions: tuple[Question, ...]
    file: Path


def load(root: Path) -> tuple[Chapter, ...]:
    """Alle Fragen des Projekts, nach Kapiteln; DauerlaufError nennt Datei und Frage, wo die Form nicht stimmt."""
    files = sorted((root / "book/fragen").glob("*.yml"))
    return _load(root, tuple((file, file.stat().st_mtime_ns) for file in files))


def find(root: Path, name: str) -> Question:
    """Die Frage mit dieser Kennung; DauerlaufError, wenn es sie nicht gibt."""
    for chapter in load(root):
        for question in chapter.questions:
            if question.id == name:
                return question
    raise DauerlaufError(f"Die Frage „{name}“ gibt es nicht; Fragen stehen in book/fragen/.")


def draw(root: Path, number: int) -> list[Question]:
    """Drei Fragen zum Beginn von Kapitel `number`, jede zu einem anderen Lernziel und immer dieselben.

    Zwei stammen aus dem Kapitel davor, eine aus dem drittletzten; gibt es das nicht, aus dem ersten. DauerlaufError,
    wenn vor dem Kapitel keine drei Lernziele liegen.
    """
    earlier = [chapter for chapter in load(root) if chapter.number < number]
    if not earlier:
        raise DauerlaufError(f"Vor Kapitel {number} gibt es keine Fragen zu wiederholen.")
    last, before = earlier[-1], earlier[max(0, len(earlier) - 3)]
    drawn = _pick(last, DRAWN if last is before else DRAWN - 1, number)
    if last is not before:
        drawn += _pick(before, DRAWN - len(drawn), number)
    if len(drawn) < DRAWN:
        raise DauerlaufError(f"Vor Kapitel {number} gibt es nur {len(drawn)} Lernziele mit Fragen zum Wiederholen.")
    return drawn


def _pick(chapter: Chapter, count: int, number: int) -> list[Question]:
    """Ein fester Griff in die Fragen: je Kapitel, das wiederholt, ein anderer."""
    usable = [question for question in chapter.questions if question.kind in SHORT and not question.here_only]
    usable.sort(key=lambda question: hashlib.sha256(f"{number}/{question.id}".encode()).digest())
    by_goal: dict[str, Question] = {}
    for question in usable:
        by_goal.setdefault(question.goal, question)
    return list(by_goal.values())[:count]


@lru_cache(maxsize=8)
def _load(root: Path, files: tuple[tuple[Path, int], ...]) -> tuple[Chapter, ...]:
    chapters = tuple(_chapter(root, file) for file, _ in files)
    seen: dict[str, Question] = {}
    for chapter in chapters:
        for question in chapter.questions:
            if other := seen.get(question.id):
                raise DauerlaufError(f"{question.place}: Die Kennung ist vergeben, siehe {other.place}.")
            seen[question.id] = question
    return chapters


def _chapter(root: Path, file: Path) -> Chapter:
    place = file.relative_to(root).as_posix()
    name = FILE.fullmatch(file.name)
    if name is None:
        raise DauerlaufError(f"{place}: Eine Datei mit Fragen heißt kapitelNN.yml.")
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise DauerlaufError(f"{place}: Das ist kein gültiges YAML: {error}") from error
    if not isinstance(data, dict) or set(data) != {"ziele", "fragen"}:
        raise DauerlaufError(f"{place}: Erwartet werden genau die Felder „ziele“ und „fragen“.")
    goals = {str(goal): str(text) for goal, text in data["ziele"].items()}
    questions = tuple(_question(root, place, int(name[1]), goals, entry) for entry in data["fragen"])
    return Chapter(int(name[1]), goals, questions, file)


def _question(root: Path, file: str, chapter: int, goals: Mapping[str, str], entry: Mapping[str, Any]) -> Question:
    place = f"{file}, Frage „{entry.get('id', '?')}“"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", str(entry.get("id", ""))):
        raise DauerlaufError(f"{place}: „id“ besteht aus a-z, 0-9 und Bindestrich.")
    kind = entry.get("art")
    if kind not in KINDS:
        raise DauerlaufError(f"{place}: „art“ ist {', '.join(KINDS[:-1])} oder {KINDS[-1]}.")
    allowed = COMMON | FIELDS[kind]
    if unknown := sorted(set(entry) - allowed):
        raise DauerlaufError(f"{place}: Das Feld „{unknown[0]}“ gibt es bei der Art „{kind}“ nicht.")
    if missing := sorted(field for field in allowed - OPTIONAL if entry.get(field) in (None, "", [], {})):
        raise DauerlaufError(f"{place}: Es fehlt „{missing[0]}“.")
    if entry["ziel"] not in goals:
        raise DauerlaufError(f"{place}: Das Lernziel „{entry['ziel']}“ steht nicht unter „ziele“.")
    source = {str(key): str(value) for key, value in (entry.get("quelle") or {}).items()}
    if not source and not entry.get("beweis"):
        raise DauerlaufError(f"{place}: Woher kommt die Antwort? Es fehlt „quelle“ oder „beweis“.")
    try:
        options = tuple(_options(root, kind, entry, source))
    except DauerlaufError as error:
        raise DauerlaufError(f"{place}: {error}") from error
    for option in options:
        if kind != "zeilen" and not option.feedback and not (option.right and kind in {"zahl", "ordnen"}):
            raise DauerlaufError(f"{place}: Der Antwort „{option.text}“ fehlt die Rückmeldung.")
    right = sum(option.right for option in options)
    all_right = right == len(options) and kind not in {"zahl", "ordnen"}
    if right == 0 or all_right or (kind == "eine" and right != 1):
        raise DauerlaufError(f"{place}: {right} von {len(options)} Antworten sind richtig; das passt nicht zur Art.")
    return Question(
        id=entry["id"],
        chapter=chapter,
        goal=entry["ziel"],
        kind=kind,
        text=_text(entry["frage"]),
        options=options,
        otherwise=_text(entry.get("sonst")),
        unit=_text(entry.get("einheit")),
        explanation=_text(entry["erklaerung"]),
        see=str(entry["siehe"]),
        source=source,
        proof=str(entry.get("beweis") or ""),
        here_only=bool(entry.get("nur_hier")),
        place=place,
    )


def _options(root: Path, kind: str, entry: Mapping[str, Any], source: Mapping[str, str]) -> Iterator[Option]:
    if kind in {"eine", "mehrere"}:
        for answer in entry["antworten"]:
            right = bool(answer.get("richtig"))
            yield Option(_text(answer.get("text")), right, _text(answer.get("rueckmeldung")), _text(answer.get("wert")))
    elif kind == "zahl":
        yield Option(_text(entry["antwort"]), True)
        for number, feedback in entry["irrwege"].items():
            yield Option(_text(number), False, _text(feedback))
    elif kind == "ordnen":
        for step in entry["schritte"]:
            yield Option(_text(step.get("text")), True, value=_text(step.get("stelle")))
        for step in entry["stoerer"]:
            yield Option(_text(step.get("text")), False, _text(step.get("rueckmeldung")))
    else:
        yield from _lines(root, entry, source)


def _lines(root: Path, entry: Mapping[str, Any], source: Mapping[str, str]) -> Iterator[Option]:
    """Die Zeilen der Datei; richtig sind die mit der Marke. Zu jeder kann es eine eigene Rückmeldung geben.

    Docstrings entfallen: In falschem Code verraten sie, was falsch ist. Leerzeilen entfallen, weil man sie nicht wählt.
    """
    shown = (line for line in listing(root, source) if line.text)
    lines = [line for line in shown if not line.text.lstrip().startswith('"""')]
    feedback = {str(part): _text(text) for part, text in entry["irrwege"].items()}
    for part in feedback:
        if sum(part in line.text for line in lines) != 1:
            raise DauerlaufError(f"„{part}“ steht nicht in genau einer Zeile von {source['datei']}.")
    for line in lines:
        right = source.get("marke", "") in line.marks
        yield Option(line.text, right, next((text for part, text in feedback.items() if part in line.text), ""))


def listing(root: Path, source: Mapping[str, str]) -> tuple[Line, ...]:
    """Die Zeilen der Datei, aus der eine Frage schöpft (``quelle: {datei: pfad#abschnitt}``)."""
    if "datei" not in source:
        raise DauerlaufError("Als „quelle“ ist hier eine „datei“ nötig.")
    return excerpt(root, source["datei"]).lines


def heading(root: Path, target: str) -> str:
    """Die Überschrift, auf die ``seite.md#anker`` zeigt; DauerlaufError, wenn es Seite oder Anker nicht gibt."""
    name, _, anchor = target.partition("#")
    page = root / "book" / name
    if not page.is_file():
        raise DauerlaufError(f"Die Seite {name} gibt es nicht.")
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and re.search(ANCHOR.format(re.escape(anchor)), line):
            text = re.sub(r"\s*\{[^}]*\}\s*$", "", line.lstrip("# "))
            title = str(front_matter(page).get("title", ""))
            return text if text == title else f"{title}: {text}"
    raise DauerlaufError(f"Auf der Seite {name} gibt es keine Überschrift mit dem Anker „{anchor}“.")


def _text(value: Any) -> str:
    return " ".join(str("" if value is None else value).split())
