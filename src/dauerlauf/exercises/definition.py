"""Übungen finden und ihre Beschreibung lesen; eine neue anlegen."""

import difflib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from dauerlauf.errors import DauerlaufError
from dauerlauf.scenario import CHAPTERS

RUNGS = {
    "vorhersagen": "Vorhersagen",
    "aendern": "Ändern",
    "reparieren": "Reparieren",
    "ergaenzen": "Ergänzen",
    "bauen": "Bauen",
}
"""Die Stufen der Leiter, in ihrer Reihenfolge, mit dem Wort, das die Seite zeigt."""

HINTS = 3
ANSWERS = "antwort.toml"
_SECTIONS = ("Warum", *(f"Tipp {number}" for number in range(1, HINTS + 1)))
_FOLDER = re.compile(r"(\d\d)_([a-z0-9_]+)")
_CHAPTER = re.compile(r"kapitel(\d\d)")
_HEAD = re.compile(r"\A---\n(.*?\n)---\n(.*)\Z", re.DOTALL)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Exercise:
    """Eine Übung, wie `aufgabe.md` sie beschreibt. Was dort fehlt, ist leer; `dauerlauf pruefe` nennt es."""

    folder: Path
    chapter: int
    order: int
    slug: str
    title: str
    rung: str
    pattern: str
    objective: str
    goal: str
    text: str
    hints: tuple[str, ...]
    why: str
    unknown: tuple[str, ...]

    @property
    def number(self) -> str:
        """Die Nummer, die auf der Seite steht: Kapitel und Stelle, etwa `7.2`."""
        return f"{self.chapter}.{self.order}"

    @property
    def name(self) -> str:
        """Der Name des Ordners, in dem daran gearbeitet wird, etwa `7.2-kompensation-vormerken`."""
        return f"{self.number}-{self.slug}"

    @property
    def start(self) -> Path:
        """Die Dateien, mit denen man beginnt."""
        return self.folder / "start"

    @property
    def solution(self) -> Path:
        """Dieselben Dateien, gelöst."""
        return self.folder / "loesung"

    @property
    def files(self) -> list[str]:
        """Die Namen der Dateien, mit denen man beginnt."""
        return [file.name for file in sorted(self.start.glob("*")) if file.is_file()]


def exercises(roots: Iterable[Path] | None = None) -> list[Exercise]:
    """Alle Übungen unter den Ordnern `kapitelNN` aus `roots` (sonst: der installierten Kapitel), nach Nummer geordnet.

    Wirft `DauerlaufError`, wenn zwei Übungen dieselbe Nummer haben.
    """
    found: dict[tuple[int, int], Exercise] = {}
    for root in _chapters() if roots is None else roots:
        for folder in sorted((root / "aufgaben").glob("*/")):
            if not _FOLDER.fullmatch(folder.name):
                continue
            exercise = read(folder)
            key = (exercise.chapter, exercise.order)
            if key in found:
                raise DauerlaufError(
                    f"Die Nummer {exercise.number} ist doppelt vergeben: {found[key].folder.name} und {folder.name}."
                )
            found[key] = exercise
    return [found[key] for key in sorted(found)]


def project_exercises(root: Path) -> list[Exercise]:
    """Alle Übungen des Projekts in `root`, auch aus Kapiteln, die nicht installiert sind; sonst wie `exercises`."""
    return exercises(sorted(root.glob("examples/kapitel*/")))


def _chapters() -> list[Path]:
    # Ein Kapitel zu importieren wäre teuer; sein Ordner reicht.
    specs = [importlib.util.find_spec(entry.value) for entry in entry_points(group=CHAPTERS)]
    return sorted({Path(place).parent for spec in specs if spec for place in spec.submodule_search_locations or ()})


def read(folder: Path) -> Exercise:
    """Die Übung in `folder`; fehlende Teile bleiben leer. Wirft `DauerlaufError` bei falsch benannten Ordnern."""
    name, chapter = _FOLDER.fullmatch(folder.name), _CHAPTER.fullmatch(folder.parent.parent.name)
    if name is None or chapter is None:
        raise DauerlaufError(f"Eine Übung liegt in kapitelNN/aufgaben/NN_name, nicht in {folder}.")
    description = folder / "aufgabe.md"
    text = description.read_text(encoding="utf-8") if description.is_file() else ""
    match = _HEAD.match(text)
    head = _fields(match[1]) if match else {}
    intro, sections = _sections(match[2] if match else text)
    return Exercise(
        folder=folder,
        chapter=int(chapter[1]),
        order=int(name[1]),
        slug=name[2].replace("_", "-"),
        title=head.get("titel", ""),
        rung=head.get("stufe", ""),
        pattern=head.get("muster", ""),
        objective=head.get("lernziel", ""),
        goal=head.get("ziel", ""),
        text=intro,
        hints=tuple(sections[key] for n in range(1, HINTS + 1) if (key := f"Tipp {n}") in sections),
        why=sections.get("Warum", ""),
        unknown=tuple(name for name in sections if name not in _SECTIONS),
    )


def _fields(head: str) -> dict[str, str]:
    """Der Kopf: je Zeile `name: text`. Kein YAML, denn der Leser braucht dafür kein weiteres Paket."""
    pairs = (line.partition(":") for line in head.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def _sections(text: str) -> tuple[str, dict[str, str]]:
    intro, *rest = _SECTION.split(text)
    return intro.strip(), {rest[i].strip(): rest[i + 1].strip() for i in range(0, len(rest), 2)}


def find(number: str, known: Sequence[Exercise]) -> Exercise:
    """Die Übung mit dieser Nummer oder diesem Namen; sonst `DauerlaufError` mit den ähnlichsten."""
    wanted = number.strip().lower().replace("_", "-").replace(",", ".").rstrip("/")
    names = {name: one for one in known for name in (one.number, one.name, one.slug)}
    if wanted in names:
        return names[wanted]
    chapter = wanted.partition(".")[0]
    numbers_there = [one.number for one in known if str(one.chapter) == chapter]
    if numbers_there and re.fullmatch(r"\d+\.?\d*", wanted):
        raise DauerlaufError(
            f"Die Übung „{number}“ gibt es nicht; Kapitel {chapter} hat {', '.join(numbers_there)}. "
            "`dauerlauf uebe --liste` zeigt alle."
        )
    similar = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    numbers = dict.fromkeys(f"„{names[name].number}“ ({names[name].title})" for name in similar)
    meant = f"meinten Sie {' oder '.join(numbers)}? " if numbers else ""
    raise DauerlaufError(f"Die Übung „{number}“ gibt es nicht; {meant}`dauerlauf uebe --liste` zeigt alle.")
