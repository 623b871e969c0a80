"""Die Navigation des Buchs, abgeleitet aus den Ordnern und den Köpfen der Seiten; keine Liste von Hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dauerlauf.book.page import PageError, front_matter, rank

# Der Name eines Ordners ist ASCII und klein; was Leserinnen und Leser sehen, und in welcher Folge, steht hier.
SECTIONS = {
    "teil1": "I Grundlagen",
    "teil2": "II Entwickeln",
    "teil3": "III Resilienz",
    "teil4": "IV Betrieb",
    "teil5": "V Kochbuch",
    "fehler": "Fehler",
    "werkzeug": "Werkbank",
}
LAST = ("uebungen.md", "katalog.md", "glossar.md")

Nav = list[Any]


def navigation(book: Path) -> Nav:
    """Die Navigation in der Form von ``nav`` in mkdocs.yml, alle Seiten unter ``book`` enthaltend.

    Im Ordner stehen die Seiten nach ``rang`` in ihrem Kopf, dann nach Titel; ``index.md`` ist die Seite des Ordners.
    PageError, wenn eine Seite keinen Titel hat oder ein Ordner der obersten Ebene keinen Namen.
    """
    folders = sorted((folder for folder in book.iterdir() if folder.is_dir() and _pages(folder)), key=_place)
    parts = [_folder(book, folder) for folder in folders]
    last = [_page(book, book / name) for name in LAST if (book / name).is_file()]
    other = [_page(book, page) for page in _sorted(book) if page.name not in LAST]
    return [_page(book, book / "index.md"), *other, *parts, *last]


def _place(folder: Path) -> tuple[int, str]:
    """Wo ein Ordner der obersten Ebene steht: wie in SECTIONS, unbekannte am Ende."""
    known = list(SECTIONS)
    return (known.index(folder.name) if folder.name in known else len(known), folder.name)


def _folder(book: Path, folder: Path) -> dict[str, Nav]:
    index = folder / "index.md"
    children: Nav = [index.relative_to(book).as_posix()] if index.is_file() else []
    children += [_page(book, page) for page in _sorted(folder)]
    children += [_folder(book, inner) for inner in sorted(folder.iterdir()) if inner.is_dir() and _pages(inner)]
    return {_name(folder, index): children}


def _name(folder: Path, index: Path) -> str:
    if folder.name in SECTIONS:
        return SECTIONS[folder.name]
    if folder.name.startswith("kapitel"):
        number = int(folder.name.removeprefix("kapitel"))
        return f"{number} {_title(index)}" if index.is_file() else f"Kapitel {number}"
    if index.is_file():
        return _title(index)
    raise PageError(f"{folder}: Der Ordner braucht eine index.md mit Titel oder einen Namen in {Path(__file__).name}.")


def _pages(folder: Path) -> list[Path]:
    return [] if folder.name in {"assets", "overrides"} else list(folder.rglob("*.md"))


def _sorted(folder: Path) -> list[Path]:
    pages = [page for page in folder.glob("*.md") if page.name != "index.md"]
    return sorted(pages, key=lambda page: (rank(front_matter(page)), _title(page).casefold()))


def _page(book: Path, page: Path) -> dict[str, str]:
    return {_title(page): page.relative_to(book).as_posix()}


def _title(page: Path) -> str:
    title = front_matter(page).get("title")
    if not title:
        raise PageError(f"{page}:1: Im Kopf der Seite fehlt „title“.")
    return str(title)
