"""Barrieren finden: axe in einer geöffneten Seite ausführen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python  # type: ignore[import-untyped]
from playwright.async_api import Page

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
# Die Farbschemas des Browsers und wie das Thema sie nennt.
SCHEMES = {"light": "default", "dark": "slate"}
# Im Dunkeln ändern sich nur Farben; die übrigen Regeln prüft schon der helle Durchgang.
RULES: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}},
}
# Was in Ordnung ist, beschreibt axe sonst ebenso ausführlich; das kostet fast die Hälfte der Zeit.
RUN = "([where, rules]) => axe.run(where, {...rules, resultTypes: ['violations']}).then(found => found.violations)"
PAGE = {"include": ["html"]}


async def barriers(page: Page, scheme: str, where: object = PAGE) -> list[str]:
    """Die Verstöße gegen die Regeln des Farbschemas (`light`, `dark`) im Bereich `where`, einem Kontext von axe."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    violations = await page.evaluate(RUN, [where, RULES[scheme]])
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])}-mal)" for v in violations]
