"""Zeitleiste: Zeilen, Tabelle, SVG und HTML, auch im Browser."""

import io
import re
import shutil
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from dauerlauf.history import SourceLine, Step, StepKind, dump, load, steps
from dauerlauf.scenario import Legend
from dauerlauf.timeline import MAX_ROWS, STYLE, Look, Picture, album, clock_text, html, rows, sign, svg, table
from dauerlauf.timeline.style import DARK, LIGHT

LEGEND = Legend(
    compensations=frozenset({"release"}),
    services={"reserve": "Lager", "release": "Lager", "charge": "Zahlungsdienst der Hansebank", "ship": "Paketdienst"},
)
SVG = "{http://www.w3.org/2000/svg}"


class Run:
    """Baut die Schritte eines Laufs, ohne Server."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.clock = timedelta(0)

    def add(self, kind: StepKind, title: str = "", **values: Any) -> int:
        number = len(self.steps) + 1
        values.setdefault("actor", "workflow")
        self.steps.append(Step(number, kind, kind.name, self.clock, title=title or kind.value, **values))
        return number

    def wait(self, **duration: float) -> None:
        self.add(StepKind.TIME_SKIP, internal=True, actor="server")
        self.clock += timedelta(**duration)

    def begin(self, name: str) -> int:
        return self.add(StepKind.ACTIVITY_SCHEDULED, f"{name} beauftragt", name=name, detail="Auftrag")

    def end(self, opened: int, result: str = "", failure: str = "", attempt: int = 1, last: str = "") -> None:
        name = self.steps[opened - 1].name
        values: dict[str, Any] = {"name": name, "actor": name, "attempt": attempt, "caused_by": opened}
        self.add(StepKind.ACTIVITY_STARTED, f"{name} gestartet", failure=last, **values)
        kind = StepKind.ACTIVITY_FAILED if failure else StepKind.ACTIVITY_COMPLETED
        word = "gescheitert" if failure else "erledigt"
        self.add(kind, f"{name} {word}", detail=failure or result, failure=failure, **values)

    def activity(self, name: str, result: str = "", **values: Any) -> None:
        self.end(self.begin(name), result, **values)

    def start(self) -> "Run":
        self.add(StepKind.STARTED, "Workflow Bestellung startet", actor="client", detail="number: „N-1“")
        return self


def failing() -> Run:
    run = Run().start()
    run.activity("reserve", "„R-1“")
    run.activity("charge", failure="CardDeclined: Karte abgelehnt")
    run.activity("release")
    run.add(StepKind.FAILED, "Workflow gescheitert", detail="CardDeclined: Karte abgelehnt")
    return run


def eventful() -> Run:
    """Retry über eine Wartezeit, Absturz, Signal, Update, Timer, gleichzeitige Activities."""
    run = Run().start()
    run.activity("reserve", "„R-1“")
    opened = run.begin("ship")
    run.wait(minutes=30)
    run.end(opened, "„P-1“", attempt=3, last="RuntimeError: Paketdienst antwortet nicht")
    run.add(StepKind.CRASH, "worker-1 antwortet nicht", actor="server", detail="Workflow-Task nicht abgeholt")
    run.add(StepKind.TAKEOVER, "worker-2 übernimmt")
    run.add(StepKind.SIGNAL, "Signal decide", actor="client", detail="„Büro“")
    update = run.add(StepKind.UPDATE_ACCEPTED, "Update amount angenommen", actor="client", detail="1999")
    both = [run.begin("notify"), run.begin("notify")]
    for number in both:
        run.end(number)
    run.add(StepKind.UPDATE_COMPLETED, "Update amount beantwortet", caused_by=update, detail="1999")
    timer = run.add(StepKind.TIMER_STARTED, "Timer gestellt: 3 Tage", duration=timedelta(days=3))
    run.wait(days=3)
    run.add(StepKind.TIMER_FIRED, "Timer abgelaufen", caused_by=timer, actor="timer")
    run.add(StepKind.COMPLETED, "Workflow fertig", detail="„fertig“")
    return run


def looks(run: Run) -> list[tuple[str, str]]:
    return [(row.look.name, row.title) for row in rows(run.steps, LEGEND)]


# -- Zeilen


def test_auftrag_und_ergebnis_stehen_in_einer_zeile() -> None:
    assert looks(failing()) == [
        ("START", "Workflow Bestellung startet"),
        ("PLAIN", "reserve"),
        ("PLAIN", "charge"),
        ("COMPENSATION", "release"),
        ("FAILED", "Workflow gescheitert"),
    ]
    found = rows(failing().steps, LEGEND)
    assert [row.detail for row in found[1:4]] == ["→ „R-1“", "gescheitert: CardDeclined: Karte abgelehnt", "erledigt"]
    assert [row.failed for row in found] == [False, False, True, False, False]
    assert [row.service for row in found] == ["", "Lager", "Zahlungsdienst der Hansebank", "Lager", ""]


def test_wartezeiten_versuche_und_absturz_sind_eigene_gestalten() -> None:
    assert looks(eventful()) == [
        ("START", "Workflow Bestellung startet"),
        ("PLAIN", "reserve"),
        ("PLAIN", "ship"),
        ("SKIP", "30 min später"),
        ("RETRY", "ship"),
        ("CRASH", "worker-1 antwortet nicht"),
        ("TAKEOVER", "worker-2 übernimmt"),
        ("SIGNAL", "Signal decide"),
        ("UPDATE", "Update amount angenommen"),
        ("PLAIN", "notify"),
        ("PLAIN", "notify"),
        ("PLAIN", "notify"),
        ("PLAIN", "notify"),
        ("UPDATE", "Update amount beantwortet"),
        ("TIMER", "Timer: 3 Tage warten"),
        ("DONE", "Workflow fertig"),
    ]
    found = rows(eventful().steps, LEGEND)
    assert found[4].detail == "erledigt → „P-1“; vorher: RuntimeError: Paketdienst antwortet nicht"
    assert found[4].attempts == 3
    assert found[14].detail == "Zeitsprung"


def test_ohne_zeitsprung_heisst_eine_pause_nicht_so() -> None:
    run = Run().start()
    run.clock = timedelta(minutes=2)
    run.add(StepKind.SIGNAL, "Signal decide", actor="client")
    assert [(row.look, row.title) for row in rows(run.steps)][1] == (Look.GAP, "2 min später")


def test_wer_nicht_fertig_ist_laeuft_noch() -> None:
    run = Run().start()
    run.begin("reserve")
    assert rows(run.steps, LEGEND)[-1].detail == "läuft noch"
    assert "läuft noch" in svg(run.steps, LEGEND, title="Lauf")


def test_gleiche_schritte_werden_gezaehlt() -> None:
    run = Run().start()
    for _ in range(39):
        run.activity("reserve")
    run.add(StepKind.COMPLETED, "Workflow fertig")
    assert looks(run) == [
        ("START", "Workflow Bestellung startet"),
        ("PLAIN", "reserve"),
        ("FOLD", "37 gleiche Schritte"),
        ("PLAIN", "reserve"),
        ("DONE", "Workflow fertig"),
    ]


def test_gleiche_folgen_werden_gezaehlt() -> None:
    run = Run().start()
    for _ in range(10):
        run.activity("reserve")
        run.activity("ship")
    assert looks(run)[1:6] == [
        ("PLAIN", "reserve"),
        ("PLAIN", "ship"),
        ("FOLD", "8 × dieselben 2 Schritte"),
        ("PLAIN", "reserve"),
        ("PLAIN", "ship"),
    ]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=300))
@settings(max_examples=60, deadline=None)
def test_gekuerzt_geht_kein_schritt_verloren(names: list[str]) -> None:
    run = Run().start()
    for name in names:
        run.activity(name)
    short, full = rows(run.steps), rows(run.steps, fold=False)
    assert sum(row.count for row in short) == sum(row.count for row in full) == len(names) + 1
    assert len(short) <= MAX_ROWS + 1
    assert (short[0], short[-1]) == (full[0], full[-1])


def test_jede_zeile_nennt_ihre_events_und_jedes_event_steht_einmal() -> None:
    run = eventful()
    found = rows(run.steps, LEGEND)
    assert [row.events for row in found[:5]] == [(1,), (2, 3, 4), (5,), (6,), (7, 8)]
    assert next(row.events for row in found if row.look is Look.TIMER) == (20, 21, 22)
    claimed = [event for row in found for event in row.events]
    assert sorted(claimed) == [step.number for step in run.steps]


def test_eine_gekuerzte_zeile_steht_auch_fuer_die_mechanik_dazwischen() -> None:
    run = Run().start()
    for _ in range(39):
        run.add(StepKind.WORKFLOW_TASK, internal=True)
        run.activity("reserve")
    found = rows(run.steps)
    fold = next(row for row in found if row.look is Look.FOLD)
    assert fold.events == tuple(range(found[1].events[-1] + 2, found[3].events[0] - 1))
    assert [row.events for row in (found[1], found[3])] == [(3, 4, 5), (155, 156, 157)]


@pytest.mark.parametrize("wide", [False, True])
def test_jede_zeile_ist_im_bild_mit_ihrer_nummer_zu_finden(wide: bool) -> None:
    root = parsed(svg(eventful().steps, LEGEND, title="Lauf", wide=wide))
    for index, row in enumerate(rows(eventful().steps, LEGEND)):
        groups = root.findall(f".//{SVG}g[@data-zeile='{index}']")
        text = "".join("".join(group.itertext()) for group in groups)
        assert re.sub(r"\s", "", row.title) in re.sub(r"\s", "", text)
    inside = {id(text) for group in root.iterfind(f".//{SVG}g[@data-zeile]") for text in group.iter(f"{SVG}text")}
    outside = [text.text for text in root.iter(f"{SVG}text") if id(text) not in inside]
    types = ["reserve", "ship", "notify", "Timer", "Lager", "Paketdienst"]
    assert outside == ["Client", "Workflow", *(types if wide else ["Activities", "Systeme"])]


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (timedelta(milliseconds=12), "0 s"),
        (timedelta(seconds=3, milliseconds=9), "+3 s"),
        (timedelta(days=3, hours=5, minutes=30), "+3 Tage 5 h"),
    ],
)
def test_zeiten_zeigen_keine_millisekunden(time: timedelta, text: str) -> None:
    assert clock_text(time) == text


# -- Tabelle


def printed(run: Run, width: int | None = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, legacy_windows=False).print(table(run.steps, LEGEND))
    return out.getvalue()


def test_die_tabelle_ist_ohne_farbe_vollstaendig() -> None:
    text = printed(eventful())
    assert "\x1b" not in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    squeezed = re.sub(r"\s+", "", text)
    for part in ("↯ worker-1 antwortet nicht", "Absturz", "⇄ worker-2", "Übernahme", "3 Versuche ↺", "» 30 min später"):
        assert part.replace(" ", "") in squeezed
    assert "↩ release" in printed(failing())
    assert "Kompensation" in printed(failing())
    assert "✗ charge" in printed(failing())


def with_source(run: Run) -> Run:
    source = SourceLine("paket/workflow.py", 42, "await …", "Bestellung.run")
    run.steps = [replace(step, source=source) for step in run.steps]
    return run


@pytest.mark.parametrize("width", [50, 60, 80, 200])
@pytest.mark.parametrize("run", [failing(), eventful(), with_source(eventful())], ids=["fehler", "viel", "quelle"])
def test_in_der_tabelle_wird_nichts_abgeschnitten(run: Run, width: int) -> None:
    shown = Counter(re.sub(r"\s", "", printed(run, width)))
    for row in rows(run.steps, LEGEND):
        for part in (row.title, row.detail, row.service, str(row.source or "")):
            shown.subtract(re.sub(r"\s", "", part))
    assert not {char: count for char, count in shown.items() if count < 0}


def test_quellzeilen_bekommen_eine_spalte() -> None:
    run = failing()
    assert "Quelle" not in printed(run)
    with_source(run)
    assert "workflow.py:42" in printed(run)
    assert "workflow.py:42" in svg(run.steps, LEGEND, title="Lauf")


# -- SVG und HTML


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("run", [failing(), eventful(), Run()], ids=["fehler", "ereignisreich", "leer"])
def test_das_bild_ist_wohlgeformt_und_beschrieben(run: Run, wide: bool) -> None:
    root = parsed(svg(run.steps, LEGEND, title='Lauf <1> & "so"', wide=wide))
    assert root.get("role") == "img"
    title, desc = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert desc is not None
    assert title.text == 'Lauf <1> & "so"'
    assert desc.text
    assert (root.get("aria-labelledby") or "").split() == [title.get("id"), desc.get("id")]
    assert not root.findall(f".//{SVG}script")
    assert "http" not in re.sub(r"http://www\.w3\.org/2000/svg", "", ET.tostring(root, encoding="unicode"))


def test_die_beschreibung_fasst_den_lauf_zusammen() -> None:
    desc = parsed(svg(eventful().steps, LEGEND, title="Lauf")).findtext(f"{SVG}desc") or ""
    for part in ("in 3 Tage", "ein Absturz", "2 Retries", "Workflow fertig."):
        assert part in desc
    assert "eine Kompensation" in (parsed(svg(failing().steps, LEGEND, title="x")).findtext(f"{SVG}desc") or "")


def test_gleiche_eingabe_gleiche_bytes_andere_bilder_andere_ids() -> None:
    def ids(text: str) -> set[str]:
        return set(re.findall(r'\bid="([^"]+)"', text))

    one, again = html(failing().steps, LEGEND, title="Lauf"), html(failing().steps, LEGEND, title="Lauf")
    assert one == again
    pictures = [one, html(eventful().steps, LEGEND, title="Lauf"), html(failing().steps, LEGEND, title="Lauf", uid="2")]
    found = [ids(picture) for picture in pictures]
    assert all(len(re.findall(r'\bid="', picture)) == len(ids(picture)) for picture in pictures)
    assert len(set.union(*found)) == sum(len(each) for each in found)


def shapes(text: str) -> str:
    """Das Bild ohne Farben: Was bleibt, muss genügen."""
    return re.sub(r"dl-(ok|bad|comp|wait|wf|fg|m|b)\b", "", re.sub(r"<style>.*?</style>", "", text, flags=re.S))


def test_gestalten_unterscheiden_sich_ohne_farbe() -> None:
    def only(kind: str) -> str:
        run = Run().start()
        if kind == "retry":
            run.activity("x", attempt=2, last="Fehler")
        elif kind == "compensation":
            run.activity("release")
        else:
            run.activity("x", failure="Fehler" if kind == "failed" else "")
        text = shapes(svg(run.steps, LEGEND, title="Lauf"))
        return "".join(re.findall(r"<(?:rect|circle|path)[^>]*>", text))

    pictures = {kind: only(kind) for kind in ("plain", "failed", "retry", "compensation")}
    assert len(set(pictures.values())) == 4
    run = eventful()
    run.activity("release")
    run.activity("x", failure="Fehler")
    alone = {shapes(sign(row)) for row in rows(run.steps, LEGEND) if row.lane == "activity"}
    # Beginnt, gelungen, noch einmal gelungen, zurückgenommen, gescheitert.
    assert len(alone) == 5
    # Gefüllt heißt: im ersten Anlauf und endgültig; gestrichelt: noch einmal oder zurück.
    assert {kind for kind, picture in pictures.items() if "stroke-dasharray" in picture} == {"retry", "compensation"}
    text = svg(eventful().steps, LEGEND, title="Lauf")
    for word in ("Absturz", "Übernahme", "30 min später", "Zeitsprung"):
        assert word in text


def contrast(one: str, other: str) -> float:
    """Kontrast nach WCAG 2.2, Abschnitt 1.4.3."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("scheme", "backgrounds"), [("default", ["#fff", "#f6f7f8"]), ("slate", ["#1e2129", "#12161c"])]
)
def test_texte_sind_in_hell_und_dunkel_lesbar(scheme: str, backgrounds: list[str]) -> None:
    style = svg(failing().steps, LEGEND, title="Lauf")
    block = style.split(f'[data-md-color-scheme="{scheme}"]')[1].split("{", 1)[1].split("}")[0]
    colours = dict(re.findall(r"--dl-(\w+):(#\w+)", block))
    for name in ("fg", "muted", "wf", "ok", "comp", "bad", "wait"):
        for background in [*backgrounds, colours["paper"]]:
            assert contrast(colours[name], background) >= 4.5, (name, background)


@pytest.mark.parametrize(
    ("palette", "backgrounds"), [(LIGHT, ["#fff", "#f6f7f8"]), (DARK, ["#1e2129", "#12161c"])], ids=["hell", "dunkel"]
)
def test_striche_heben_sich_in_beiden_paletten_ab(palette: dict[str, str], backgrounds: list[str]) -> None:
    """WCAG 2.2, Abschnitt 1.4.11: drei zu eins für Linien und Zeichen, 4,5 zu eins für Texte."""
    for name in set(palette) - {"paper"}:
        for background in [*backgrounds, palette["paper"]]:
            least = 3 if name == "rail" else 4.5
            assert contrast(palette[name], background) >= least, (name, background)


@st.composite
def any_steps(draw: Any) -> list[Step]:
    """Folgen von Schritten jeder Art, auch solche, die kein Server schriebe."""
    found: list[Step] = []
    clock = timedelta(0)
    for number in range(1, draw(st.integers(1, 14)) + 1):
        clock += timedelta(seconds=draw(st.sampled_from([0, 0, 0, 0.2, 5, 90_000])))
        kind = draw(st.sampled_from(list(StepKind)))
        failure = draw(st.sampled_from(["", "", "Fehler"]))
        found.append(
            Step(
                number,
                kind,
                kind.name,
                clock,
                actor=draw(st.sampled_from(["client", "workflow", "external", "child", "server", "reserve"])),
                title=draw(st.sampled_from([kind.value, "reserve", "<&>", "sehr_langer_name_" * 5])),
                detail=draw(st.sampled_from(["", "„R-1“", "x" * 300])) or failure,
                name=draw(st.sampled_from(["", "reserve", "release", "ship"])),
                attempt=draw(st.sampled_from([None, 1, 2, 37])),
                failure=failure,
                duration=timedelta(hours=1) if kind is StepKind.TIMER_STARTED else None,
                caused_by=draw(st.none() | st.integers(1, number)),
                internal=kind in (StepKind.TIME_SKIP, StepKind.WORKFLOW_TASK),
                source=draw(st.sampled_from([None, SourceLine("paket/workflow.py", 42, "x", "f")])),
                attempts=draw(st.sampled_from([(), (clock, clock + timedelta(seconds=1))])),
                continued=kind is StepKind.STARTED and draw(st.booleans()),
            )
        )
    return found


@given(any_steps())
@settings(max_examples=60, deadline=None)
def test_aus_jeder_folge_wird_ein_bild_dessen_zeilen_alle_in_der_tabelle_stehen(run: list[Step]) -> None:
    found = rows(run, LEGEND)
    page = parsed(html(run, LEGEND, title="Lauf"))
    body = [[cell.text or "" for cell in row.iter("td")] for row in page.iter("tr")][1:]
    assert len(body) == len(found)
    for row, cells in zip(found, body, strict=True):
        assert parsed(sign(row)).get("aria-hidden") == "true"
        assert row.title in cells[2]
        assert row.detail in cells[3]
    for picture in page.iter(f"{SVG}svg"):
        shown = {int(group.get("data-zeile") or -1) for group in picture.iter(f"{SVG}g") if group.get("data-zeile")}
        assert shown == set(range(len(found)))
        numbers = re.findall(r"-?(?:nan|inf)", ET.tostring(picture, encoding="unicode").partition("<g ")[2])
        assert not [number for number in numbers if number]


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_kein_text_sprengt_das_bild(title: str, detail: str) -> None:
    run = Run().start()
    run.add(StepKind.SIGNAL, title or "x", actor="client", detail=detail)
    run.activity(title or "x", detail)
    root = parsed(svg(run.steps, LEGEND, title=title))
    assert float(root.get("height") or 0) < 1500
    parsed(html(run.steps, LEGEND, title=title).replace("<details>", "<details open='open'>"))


def test_die_abbildung_hat_unterschrift_und_tabelle() -> None:
    root = parsed(html(failing().steps, LEGEND, title="Karte & Co"))
    assert root.tag == "figure"
    assert root.findtext("figcaption") == "Karte & Co"
    assert [cell.text for cell in root.iter("th")] == ["Zeit", "Wer", "Was", "Einzelheit"]
    cells = [[cell.text or "" for cell in row.iter("td")] for row in root.iter("tr")][1:]
    assert cells[3] == ["0 s", "Lager", "↩ release", "Kompensation · erledigt"]
    assert len(cells) == len(rows(failing().steps, LEGEND))


def test_ein_bild_zeigt_sich_im_notebook_und_im_terminal() -> None:
    picture = Picture(failing().steps, LEGEND, title="Lauf")
    assert picture._repr_html_() == html(failing().steps, LEGEND, title="Lauf")
    out = io.StringIO()
    Console(file=out, width=80).print(picture)
    assert out.getvalue() == printed(failing())


# -- Größe


def big(events: int) -> WorkflowHistory:
    """Ein langer Lauf mit verschiedenen Activities, je drei Events."""
    history = [HistoryEvent(event_id=1, event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED)]
    history[0].workflow_execution_started_event_attributes.workflow_type.name = "Lang"
    while len(history) < events:
        first = len(history) + 1
        group = [
            HistoryEvent(event_id=first + i, event_type=EventType.Value(f"EVENT_TYPE_ACTIVITY_TASK_{kind}"))
            for i, kind in enumerate(("SCHEDULED", "STARTED", "COMPLETED"))
        ]
        group[0].activity_task_scheduled_event_attributes.activity_type.name = f"step_{first % 97}"
        group[0].activity_task_scheduled_event_attributes.input.payloads.append(
            Payload(metadata={"encoding": b"json/plain"}, data=b'{"number": "N-1", "cents": 4990}')
        )
        group[1].activity_task_started_event_attributes.scheduled_event_id = first
        group[2].activity_task_completed_event_attributes.scheduled_event_id = first
        history += group
    return WorkflowHistory("lang", history)


def test_zehntausend_events_brauchen_keine_zwei_sekunden() -> None:
    history = big(10_000)
    started = time.perf_counter()
    picture = svg(steps(history), LEGEND, title="Lang")
    seconds = time.perf_counter() - started
    assert seconds < 2
    assert "weitere Schritte" in picture
    assert len(picture) < 100_000


@pytest.mark.bank
def test_messung_zehntausend_events(tmp_path: Path) -> None:
    history = big(10_000)
    file = tmp_path / "lang.json"
    file.write_text(dump(history), encoding="utf-8")
    times = {}
    started = time.perf_counter()
    loaded = load(file)
    times["lesen"] = time.perf_counter() - started
    started = time.perf_counter()
    run = steps(loaded)
    for wide in (False, True):
        svg(run, LEGEND, title="Lang", wide=wide)
    times["SVG, schmal und breit"] = time.perf_counter() - started
    started = time.perf_counter()
    Console(file=io.StringIO(), width=100).print(table(run, LEGEND))
    times["Tabelle"] = time.perf_counter() - started
    print("\n10.000 Events: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in times.items()))
    assert sum(times.values()) - times["lesen"] < 2


def test_mehrere_bilder_stehen_in_einem_svg_mit_einem_css() -> None:
    pictures = [(f"Lauf {i}", svg(failing().steps, LEGEND, title=f"{i}", wide=True, style=False)) for i in range(3)]
    root = parsed(album(pictures))
    inner = root.findall(f"{SVG}svg")
    places = [(float(each.get("y") or 0), float(each.get("height") or 0)) for each in inner]
    assert all(y + height < following for (y, height), (following, _) in pairwise(places))
    assert float(root.get("height") or 0) > sum(places[-1])
    assert album(pictures).count("<style>") == 1
    assert [text.text for text in root.findall(f"{SVG}text")] == ["Lauf 0", "Lauf 1", "Lauf 2"]
    assert album(pictures[:1]) == pictures[0][1]


def test_ohne_css_ist_ein_bild_kleiner_und_sonst_gleich() -> None:
    with_style, without = (svg(eventful().steps, LEGEND, title="Lauf", style=style) for style in (True, False))
    assert with_style.replace(f"<style>{STYLE}</style>", "") == without
    assert html(eventful().steps, LEGEND, title="Lauf").count("<style>") == 1
    assert "<style>" not in html(eventful().steps, LEGEND, title="Lauf", style=False)


# -- im Browser


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("Kein Chromium gefunden.")
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 390, 800, 1280])
def test_auf_telefon_und_bildschirm_passt_alles(browser: Any, tmp_path: Path, width: int) -> None:
    page_file = tmp_path / "seite.html"
    figures = "".join(html(run.steps, LEGEND, title=f"Lauf {i}") for i, run in enumerate((failing(), eventful())))
    page_file.write_text(
        '<!doctype html><html lang="de"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>x</title><body style="margin:0 16px;font-family:DejaVu Sans">{figures}',
        encoding="utf-8",
    )
    page = browser.new_page(viewport={"width": width, "height": 800})
    try:
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        # Sichtbar ist je Abbildung genau ein Bild, und keine Zeile ragt über seinen Rand.
        assert (
            page.evaluate("[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width).length")
            == 2
        )
        outside = page.evaluate(
            """[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width).flatMap(svg => {
                const box = svg.getBoundingClientRect();
                return [...svg.querySelectorAll('text')].filter(text => {
                    const {left, right} = text.getBoundingClientRect();
                    return left < box.left - 1 || right > box.right + 1;
                }).map(text => text.textContent);
            })"""
        )
        assert outside == []
    finally:
        page.close()


@pytest.mark.browser
def test_gedruckt_ist_das_bild_breit_und_hell_und_bleibt_auf_einer_seite(browser: Any, tmp_path: Path) -> None:
    page_file = tmp_path / "seite.html"
    figures = "".join(html(eventful().steps, LEGEND, title=f"Lauf {i}", style=i == 0) for i in range(3))
    page_file.write_text(
        '<!doctype html><html lang="de"><meta charset="utf-8"><title>x</title>'
        f'<body data-md-color-scheme="slate" style="font-family:DejaVu Sans">{figures}',
        encoding="utf-8",
    )
    page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme="dark")
    try:
        page.goto(page_file.as_uri())
        page.emulate_media(media="print", color_scheme="dark")
        shown = page.evaluate(
            "[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().width)"
            ".map(s => [s.parentElement.className, getComputedStyle(s).getPropertyValue('--dl-fg')])"
        )
        assert shown == [["dl-breit", LIGHT["fg"]]] * 3
        breaks = "[...document.querySelectorAll('figure')].map(f => getComputedStyle(f).breakInside)"
        assert page.evaluate(breaks) == ["avoid"] * 3
        # Jedes der drei Bilder ist höher als eine halbe Seite; ungeteilt braucht jedes seine eigene.
        pages = re.findall(rb"/Type /Page\b", page.pdf(format="A5", landscape=False))
        assert len(pages) == 3
    finally:
        page.close()


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "palette"), [("light", LIGHT), ("dark", DARK)])
def test_allein_geoeffnet_bringt_das_bild_schrift_und_papier_mit(
    browser: Any, tmp_path: Path, scheme: str, palette: dict[str, str]
) -> None:
    file = tmp_path / "lauf.svg"
    file.write_text(svg(eventful().steps, LEGEND, title="Lauf", wide=True), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1000, "height": 800}, color_scheme=scheme)
    try:
        page.goto(file.as_uri())
        font, paper = page.evaluate(
            "(s => [s.fontFamily, s.backgroundColor])(getComputedStyle(document.documentElement))"
        )
        assert "sans-serif" in font
        digits = palette["paper"].lstrip("#")
        digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
        assert paper == f"rgb({', '.join(str(int(digits[i : i + 2], 16)) for i in (0, 2, 4))})"
    finally:
        page.close()
