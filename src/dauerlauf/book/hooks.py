"""Zwei Handgriffe nur für MkDocs: Navigation ableiten, Suchindex ergänzen.

Inhalt entsteht hier keiner: Zensical kennt keine Hooks und baut trotzdem dieselben Seiten.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from dauerlauf.book.glossary import load
from dauerlauf.book.lexicon import entries
from dauerlauf.book.navigation import navigation
from dauerlauf.book.search import extend

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Setzt die abgeleitete Navigation ein; sie entsteht bei jedem Bau neu, auch unter ``mkdocs serve``."""
    config.nav = navigation(Path(config.docs_dir))
    return config


def on_post_build(config: MkDocsConfig) -> None:
    """Ergänzt den fertigen Suchindex."""
    file = Path(config.site_dir) / "search" / "search_index.json"
    index = json.loads(file.read_text(encoding="utf-8"))
    book = Path(config.docs_dir)
    extended = extend(index, load(book / "glossar.yml"), entries(book.parent))
    file.write_text(json.dumps(extended, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
