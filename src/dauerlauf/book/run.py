"""``::: lauf`` und ``::: kosten``: das Bild und die Zahlen aufgezeichneter Event Histories."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from dauerlauf.book.figure import figure
from dauerlauf.book.page import PageContext, slug

if TYPE_CHECKING:
    from pathlib import Path

    from temporalio.client import WorkflowHistory

    from dauerlauf.book.directives import Directive
    from dauerlauf.scenario import Scenario

STYLE = "css-der-bilder"
"""Was :meth:`PageContext.first` sich merkt: Das CSS der Bilder kommt einmal je Seite."""


def build(context: PageContext, directive: Directive) -> Element:
    """Baut das Bild eines Laufs; DauerlaufError, wenn Muster, Szenario oder Aufzeichnung fehlen."""
    # Erst hier: Seiten ohne Lauf sollen nicht auf den Import des Temporal-SDK warten.
    from dauerlauf import history, timeline

    directive.allow(words=range(1, 2), text=True)
    scenario, file = recorded_scenario(directive)
    recorded = history.load(file)
    # Ein Replay beim Bau: Es nennt zu jedem Event die Zeile im Workflow und scheitert, wenn Bild und Code nicht
    # mehr zusammenpassen.
    pattern = scenario.pattern
    sources = asyncio.run(history.source_lines(recorded, pattern.workflows, data_converter=pattern.data_converter))
    steps = history.steps(recorded, sources=sources, queries=history.load_queries(file))
    caption = directive.text or ""
    picture = timeline.html(steps, pattern.legend, title=caption, style=context.first(STYLE))
    return figure(context, "lauf", f"lauf-{slug(scenario.name)}", caption, picture)


def recorded_scenario(directive: Directive) -> tuple[Scenario, Path]:
    """Das Szenario ``muster/szenario`` einer Direktive und seine Datei; DauerlaufError, wenn eines davon fehlt."""
    from dauerlauf.compare import recording
    from dauerlauf.scenario import find_pattern

    pattern_name, _, scenario_name = directive.words[0].partition("/")
    scenario = find_pattern(pattern_name).find(scenario_name)
    return scenario, recording(scenario)


def costs(context: PageContext, directive: Directive) -> Element:
    """Baut die Tabelle der Kosten: je Szenario, was die aufgezeichnete History enthält."""
    from dauerlauf import history
    from dauerlauf.compare import recording
    from dauerlauf.scenario import find_pattern

    directive.allow(words=range(1, 20))
    scenarios: list[Scenario] = []
    for word in directive.words:
        pattern_name, _, scenario_name = word.partition("/")
        pattern = find_pattern(pattern_name)
        scenarios += [pattern.find(scenario_name)] if scenario_name else pattern.scenarios.values()
    box = Element("div", {"class": "tabelle"})
    table = SubElement(box, "table", {"class": "kosten"})
    head = SubElement(SubElement(table, "thead"), "tr")
    SubElement(head, "th", {"scope": "col"}).text = "Szenario"
    for column in ("Events", "Workflow-Tasks", "Activities", "Timer", "Größe"):
        SubElement(head, "th", {"scope": "col", "class": "zahl"}).text = column
    body = SubElement(table, "tbody")
    for scenario in scenarios:
        row = SubElement(body, "tr")
        SubElement(row, "th", {"scope": "row"}).text = scenario.title
        for cell in count(history.load(recording(scenario))):
            SubElement(row, "td", {"class": "zahl"}).text = cell
    return box


def count(recorded: WorkflowHistory) -> tuple[str, str, str, str, str]:
    """Zählt Events, Workflow-Tasks, Activities, Timer und die Bytes der Events in Protobuf."""
    kinds = [event.WhichOneof("attributes") or "" for event in recorded.events]
    size = sum(event.ByteSize() for event in recorded.events)
    return (
        str(len(kinds)),
        str(kinds.count("workflow_task_completed_event_attributes")),
        str(kinds.count("activity_task_scheduled_event_attributes")),
        str(kinds.count("timer_started_event_attributes")),
        f"{size / 1024:.1f}\u202fKiB".replace(".", ","),
    )
