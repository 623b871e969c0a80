"""Die Abbildung für Seiten und Notebooks: Bild, Unterschrift und Tabelle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult

from dauerlauf.history import Step
from dauerlauf.timeline.rows import Captions, clock_text, rows
from dauerlauf.timeline.style import STYLE
from dauerlauf.timeline.svg import svg
from dauerlauf.timeline.terminal import WHO, particulars, table, what
from dauerlauf.timeline.words import escape

_FIGURE_STYLE = (
    ".dl-figur{container-type:inline-size;margin:1.5em 0}"
    ".dl-figur .dl-breit{display:none}"
    "@container (min-width:640px){.dl-figur .dl-breit{display:block}.dl-figur .dl-schmal{display:none}}"
    "@media print{.dl-figur{break-inside:avoid}.dl-figur .dl-breit{display:block}.dl-figur .dl-schmal{display:none}"
    ".dl-figur details:not([open]){display:none}}"
    ".dl-figur figcaption{font-size:.85em;margin:.6em 0;max-width:none;text-align:left;font-style:normal}"
    ".dl-figur details{font-size:.85em}"
    ".dl-figur .dl-tabelle{overflow-x:auto}"
    ".dl-figur table{border-collapse:collapse;width:100%}"
    ".dl-figur td:first-child,.dl-figur td:last-child{white-space:nowrap}"
    ".dl-figur th,.dl-figur td{text-align:left;vertical-align:top;padding:.25em .75em .25em 0;"
    "border-bottom:1px solid #8884}"
)


def html(
    steps: Sequence[Step], legend: Captions | None = None, *, title: str, uid: str = "", style: bool = True
) -> str:
    """Eine Abbildung für eine Seite: das Bild (schmal und breit), die Unterschrift und die Tabelle dazu.

    Welches Bild zu sehen ist, entscheidet die Breite der Abbildung; das andere ist auch für Vorleseprogramme aus.

    Args:
        steps: Die Schritte aus :func:`dauerlauf.history.steps`.
        legend: Kompensationen und fremde Systeme.
        title: Bildunterschrift.
        uid: Unterscheidet die IDs, wenn dieselbe Abbildung mehrmals auf einer Seite steht.
        style: Ob die Abbildung ihr CSS mitbringt; auf einer Seite mit mehreren genügt es bei der ersten.

    Returns:
        Ein ``<figure>``-Element ohne JavaScript; die Unterschrift steht als ``<figcaption>…</figcaption>`` darin.
    """
    found = rows(steps, legend)
    with_source = any(row.source for row in found)
    heads = ["Zeit", "Wer", "Was", "Einzelheit", *(["Quelle"] if with_source else [])]
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(cell)}</td>"
            for cell in (
                "" if row.lane == "gap" else clock_text(row.time),
                row.service or WHO[row.lane],
                what(row).plain,
                particulars(row).plain,
                *([str(row.source or "")] if with_source else []),
            )
        )
        + "</tr>"
        for row in found
    )
    caption = escape(title)
    return (
        f'<figure class="dl-figur">{f"<style>{STYLE}{_FIGURE_STYLE}</style>" if style else ""}'
        f'<div class="dl-schmal">{svg(steps, legend, title=title, uid=uid, style=False)}</div>'
        f'<div class="dl-breit">{svg(steps, legend, title=title, wide=True, uid=uid, style=False)}</div>'
        f"<figcaption>{caption}</figcaption>"
        f'<details><summary>Als Tabelle lesen</summary><div class="dl-tabelle" role="group" tabindex="0" '
        f'aria-label="Tabelle: {caption}"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div></details></figure>"
    )


@dataclass(frozen=True)
class Picture:
    """Ein Lauf, der sich selbst zeigt: als Bild im Notebook, als Tabelle im Terminal."""

    steps: Sequence[Step]
    legend: Captions | None = None
    title: str = "Lauf"

    def _repr_html_(self) -> str:
        return html(self.steps, self.legend, title=self.title)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Für ``rich.print``: die Tabelle."""
        yield table(self.steps, self.legend)
