"""Der Laufspieler: Zeilen, Variablen und Abstürze stammen aus Aufzeichnung und Replay und passen zueinander."""

import ast
import base64
import hashlib
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from dauerlauf import timeline
from dauerlauf.crashes import MOST_POINTS, CrashKind, CrashRun, crash, points
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import Step, StepKind, load, normalise, same_behaviour
from dauerlauf.history._variables import Variables, frame_variables
from dauerlauf.player import Document, Frame, PlayedRun, document, packed
from dauerlauf.recorder import crash_files
from dauerlauf.scenario import CrashStage, Pattern, Scenario, Stage, find_pattern, patterns
from dauerlauf.timelapse import Timelapse

SCENARIOS = [scenario for pattern in patterns().values() for scenario in pattern.scenarios.values()]
CRASHING = [scenario for scenario in SCENARIOS if scenario.name in scenario.pattern.crash_stages]


def name(scenario: Scenario) -> str:
    return f"{scenario.pattern.name}/{scenario.name}"


@cache
def built(scenario: Scenario) -> Document:
    return document(scenario)


def runs(shown: Document) -> list[PlayedRun]:
    return [shown.smooth, *(crash.run for crash in shown.crashes)]


def step_of(run: PlayedRun, frame: Frame) -> Step:
    # Eine Query ist kein Event und trägt die Nummer des Events davor.
    asked = "fragt den Stand ab" in frame.text
    return next(step for step in run.steps if step.number == frame.event and asked == (step.kind is StepKind.QUERY))


def test_jedes_muster_hat_einen_lauf_mit_abstuerzen() -> None:
    assert {scenario.pattern.name for scenario in CRASHING} == set(patterns())
    for scenario in CRASHING:
        assert 2 <= len(built(scenario).crashes) <= MOST_POINTS, name(scenario)


@cache
def statements(lines: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """Alle Anweisungen einer Datei, von außen nach innen: erste Zeile, letzte Zeile, Text."""
    found = []
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.While):
            # Der Kopf einer Funktion, Verzweigung oder Schleife reicht bis vor ihren Rumpf.
            found.append(
                (node.lineno, node.body[0].lineno - 1, "\n".join(lines[node.lineno - 1 : node.body[0].lineno]))
            )
        elif isinstance(node, ast.stmt) and not hasattr(node, "body"):
            end = node.end_lineno or node.lineno
            found.append((node.lineno, end, "\n".join(lines[node.lineno - 1 : end])))
    return found


def lit_statement(shown: Document, frame: Frame) -> str:
    source = shown.sources[frame.source]
    assert source.first == 1
    return next(text for first, last, text in statements(source.lines) if first <= frame.line <= last)


COMMANDS = {
    StepKind.STARTED: r"def run\(",
    StepKind.ACTIVITY_SCHEDULED: r"execute_activity|start_activity|\b(call|step)\(",
    StepKind.LOCAL_ACTIVITY: r"execute_local_activity",
    StepKind.TIMER_STARTED: r"sleep|wait_condition|timeout",
    StepKind.ATTRIBUTES: r"upsert_search_attributes",
    StepKind.PATCH: r"patched\(|deprecate_patch\(",
    StepKind.COMPLETED: r"^\s*return\b",
    StepKind.FAILED: r"\braise\b|await|choose\(",
    StepKind.CANCELED: r"\braise\b|await",
    StepKind.SIGNAL: r"def ",
    StepKind.UPDATE_ACCEPTED: r"def ",
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name)
def test_jede_zeile_gibt_wirklich_diesen_befehl(scenario: Scenario) -> None:
    shown = built(scenario)
    checked = 0
    for run in runs(shown):
        for frame in run.frames:
            step = step_of(run, frame)
            assert re.fullmatch(r".+[.…]", frame.text)
            if frame.also is not None:
                source, line = frame.also
                assert re.search(rf"def {step.name}\(", shown.sources[source].lines[line - 1])
            if frame.line == 0 or step.kind not in COMMANDS:
                continue
            checked += 1
            statement = lit_statement(shown, frame)
            assert re.search(COMMANDS[step.kind], statement), (step.title, statement)
            if step.kind in (StepKind.SIGNAL, StepKind.UPDATE_ACCEPTED):
                assert f"def {step.name}(" in statement
            if step.kind in (StepKind.ACTIVITY_SCHEDULED, StepKind.LOCAL_ACTIVITY):
                # Der Name der Activity steht in der Anweisung oder in einer Variablen, die darin vorkommt.
                values = [text for variable, text, _ in frame.variables if variable.split(": ")[-1] in statement]
                assert any(step.name in text for text in (statement, *values)), (step.title, statement)
    assert checked


@pytest.mark.parametrize("scenario", SCENARIOS, ids=name)
def test_die_halte_folgen_dem_bild(scenario: Scenario) -> None:
    for run in runs(built(scenario)):
        rows = timeline.rows(run.steps, scenario.pattern.legend)
        forward = [frame for frame in run.frames if frame.phase != "replay"]
        wanted = {number for number, row in enumerate(rows) if row.events or row.look is timeline.Look.QUERY}
        assert {frame.row for frame in run.frames} == wanted
        events = [frame.event for frame in forward]
        assert events == sorted(events)
        rows_asked = [row.look is timeline.Look.QUERY for row in rows]
        assert all(rows_asked[frame.row] or frame.event in rows[frame.row].events for frame in run.frames)
        history = [step.number for step in run.steps if step.kind is not StepKind.QUERY]
        assert [entry.event for entry in run.entries] == history == list(range(1, len(history) + 1))


@pytest.mark.parametrize("scenario", CRASHING, ids=name)
def test_ein_absturz_kostet_nichts_was_schon_in_der_history_steht(scenario: Scenario) -> None:
    shown = built(scenario)
    commands = [frame for frame in shown.smooth.frames if step_of(shown.smooth, frame).kind in COMMANDS]
    places = [(frame.source, frame.line, [one[:2] for one in frame.variables]) for frame in commands]
    for point, recorded in zip(crash_files(scenario).values(), shown.crashes, strict=True):
        run = recorded.run
        assert (recorded.event, recorded.label) == (point.event, point.label)
        phases = [frame.phase for frame in run.frames]
        assert phases.count("crash") == phases.count("takeover") == 1
        died, taken = phases.index("crash"), phases.index("takeover")
        assert {*phases[:died], phases[-1]} == {"live"}
        assert {frame.worker for frame in run.frames[taken:]} <= {"worker-2", "etiketten-worker", ""}
        # Solange niemand den Workflow im Speicher hat, ist keine Zeile erleuchtet und keine Variable zu sehen.
        assert all(frame.line == 0 and not frame.variables for frame in run.frames[died : taken + 1])
        replayed = [frame for frame in run.frames if frame.phase == "replay"]
        assert phases[taken + 1 : taken + 1 + len(replayed)] == ["replay"] * len(replayed)
        assert places[: len(replayed)] == [
            (frame.source, frame.line, [one[:2] for one in frame.variables]) for frame in replayed
        ]
        assert len(replayed) == sum(frame.event <= point.last for frame in commands)
        ended = [step_of(played, played.frames[-1]).title for played in (shown.smooth, run)]
        assert ended[0] == ended[1]
        done = {
            step.caused_by
            for step in run.steps
            if step.kind is StepKind.ACTIVITY_COMPLETED and step.number <= point.last
        }
        for step in run.steps:
            if step.kind is StepKind.ACTIVITY_STARTED and step.caused_by in done:
                assert step.attempt == 1


def test_variablen_sind_lesbar_und_sagen_was_sich_geaendert_hat() -> None:
    for scenario in SCENARIOS:
        for run in runs(built(scenario)):
            before: dict[str, str] = {}
            for frame in run.frames:
                now = {variable: text for variable, text, _ in frame.variables}
                assert len(now) == len(frame.variables)
                changed = {variable for variable, _, new in frame.variables if new}
                assert changed == {variable for variable, text in now.items() if before.get(variable) != text}
                before = now
                everything = " ".join([*now, *now.values()])
                assert not re.search(r"0x[0-9a-f]{6}|temporalio|<[a-z]|object at", everything)


def test_gleichzeitige_teile_behalten_ihre_variablen() -> None:
    run = built(find_pattern("activity_auswahl").find("drei-wege")).smooth
    parcels: dict[int | None, list[str]] = {}
    for frame in run.frames:
        step, variables = step_of(run, frame), {variable: text for variable, text, _ in frame.variables}
        if "parcel" in variables:
            opener = step.number if step.kind is StepKind.ACTIVITY_SCHEDULED else step.caused_by
            parcels.setdefault(opener, []).append(variables["parcel"])
    # Sechs Activities, je zwei zu einem Paket: Auftrag, Beginn und Ende sehen dasselbe Paket.
    assert [len(seen) for seen in parcels.values()] == [3] * 6
    assert all(len(set(seen)) == 1 for seen in parcels.values())
    assert len({text for seen in parcels.values() for text in seen}) == 3


def test_gleiche_namen_in_zwei_funktionen() -> None:
    def outer(order: str, request: str) -> Variables:
        return inner(order, "zwei", sys._getframe())

    def inner(order: str, request: str, frame: FrameType) -> Variables:
        return frame_variables(None, [frame, sys._getframe()], lambda file: False)

    found = dict(outer("O-1", "eins"))
    assert found == {"order": "„O-1“", "request": "„eins“", "inner: request": "„zwei“"}


class _Unread(str):
    """Ein Text, den niemand ganz durchgehen darf."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("Der ganze Text wurde gelesen.")


def test_von_einem_langen_text_wird_nur_der_anfang_gelesen() -> None:
    def run(prices: str) -> Variables:
        return frame_variables(None, [sys._getframe()], lambda file: False)

    (text,) = dict(run(_Unread("x" * 10_000))).values()
    assert re.fullmatch("„x{80,}…", text)


def test_quelltext_ohne_marken_der_listings() -> None:
    for scenario in CRASHING:
        for source in built(scenario).sources:
            original = (scenario.pattern.folder.parents[1] / source.file).read_text("utf-8").splitlines()
            assert len(source.lines) == len(original)
            for shown, line in zip(source.lines, original, strict=True):
                assert "--8<--" not in shown
                assert not re.search(r"# \((!|\d)", shown)
                assert line.startswith(shown)


def test_die_saga_merkt_sich_ihre_kompensationen() -> None:
    frames = built(find_pattern("saga").find("glatt")).smooth.frames
    assert 12 <= len(frames) <= 25
    seen = [text for frame in frames for variable, text, new in frame.variables if new and "_registered" in variable]
    steps = ["lager", "zahlung", "versand", "rechnung"]
    assert seen == ["[" + ", ".join(f"{{step: „{step}“}}" for step in steps[:count]) + "]" for count in (1, 2, 3, 4)]
    assert [one[:2] for one in frames[-1].variables[-3:]] == [
        ("references", "[„L-27c894f3“, „Z-b30f0bcc“, „V-b1c332fb“, „R-20170eca“]"),
        ("mail", "„M-d6ffe948“"),
        ("cancel_came_too_late", "nein"),
    ]


BUILD = """
import hashlib, sys
from dauerlauf.player import document
from dauerlauf.scenario import find_pattern
pattern, scenario = sys.argv[1].split("/")
print(hashlib.sha256(repr(document(find_pattern(pattern).find(scenario))).encode()).hexdigest())
"""


def test_gleich_in_jedem_prozess() -> None:
    scenario = find_pattern("saga").find("parallel")
    seeds = {"PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"}
    other = subprocess.run(
        [sys.executable, "-c", BUILD, name(scenario)],
        env=os.environ | seeds,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert other.stdout.strip() == hashlib.sha256(repr(built(scenario)).encode()).hexdigest()


async def test_auch_wo_schon_eine_event_loop_laeuft() -> None:
    scenario = find_pattern("hallo").find("bestaetigung")
    assert document(scenario) == built(scenario)


def test_was_beim_absturz_geschieht_steht_in_einem_satz() -> None:
    shown = built(find_pattern("absturz_und_weiter").find("ohne-absturz"))
    sentences = [frame.text for crash in shown.crashes for frame in crash.run.frames if frame.phase == "crash"]
    assert [sentence.removeprefix("worker-1 stirbt (SIGKILL), ").partition(". ")[0] for sentence in sentences] == [
        "während charge_payment läuft",
        "bevor der Workflow das Ergebnis von charge_payment sieht",
        "während der Timer läuft",
        "bevor der Workflow davon erfährt",
        "während ship_parcel läuft",
        "bevor der Workflow das Ergebnis von ship_parcel sieht",
    ]


def test_gepackt_ist_nichts_verloren() -> None:
    shown = built(find_pattern("saga").find("glatt"))
    data = json.loads(json.dumps(packed(shown)))
    assert len(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()) < 60_000

    def part(number: int) -> Any:
        return data["parts"][number]

    for run, short in zip(runs(shown), [data["smooth"], *(one["run"] for one in data["crashes"])], strict=True):
        assert [part(number) for number in short["entries"]] == [asdict(entry) for entry in run.entries]
        frames = [part(number) for number in short["frames"]]
        unpacked = [frame | {"variables": [part(number) for number in frame["variables"]]} for frame in frames]
        assert unpacked == json.loads(json.dumps([asdict(frame) for frame in run.frames]))


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Der Ordner von `absturz_und_weiter` als eigenes Paket `probe.kopie`, samt Aufzeichnungen."""
    original = find_pattern("absturz_und_weiter").folder
    folder = tmp_path / "probe" / "kopie"
    shutil.copytree(original, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "probe" / "__init__.py").touch()
    for file in folder.glob("*.py"):
        file.write_text(file.read_text("utf-8").replace("kapitel01.absturz_und_weiter", "probe.kopie"), "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for module in [module for module in sys.modules if module.partition(".")[0] == "probe"]:
        monkeypatch.delitem(sys.modules, module)
    return folder


def copied_pattern() -> Pattern:
    found: Pattern = importlib.import_module("probe.kopie.scenarios").PATTERN
    return found


def test_die_kopie_laesst_sich_zeigen(copied: Path) -> None:
    shown = document(copied_pattern().find("ohne-absturz"))
    assert [source.file for source in shown.sources] == ["probe/kopie/workflow.py", "probe/kopie/activities.py"]
    assert len(shown.crashes) == 6


def test_geaenderter_code_faellt_auf(copied: Path) -> None:
    workflow = copied / "workflow.py"
    step = "        await workflow.sleep(timedelta(seconds=order.hold_seconds))\n"
    text = workflow.read_text("utf-8")
    assert text.count(step) == 1
    workflow.write_text(text.replace(step, 2 * step), "utf-8")
    with pytest.raises(DauerlaufError, match="Die Historie passt nicht zum Code, zeichnen Sie sie neu auf"):
        document(copied_pattern().find("ohne-absturz"))


@pytest.mark.parametrize(
    ("event", "other", "problem"),
    [
        (7, 13, "„nach charge_payment“ passt nicht mehr"),
        (6, 7, "„während charge_payment läuft“ passt nicht mehr"),
        (11, None, "„während der Timer läuft“ ist nicht aufgezeichnet"),
    ],
)
def test_falscher_oder_fehlender_absturz_faellt_auf(copied: Path, event: int, other: int | None, problem: str) -> None:
    folder = copied / "histories" / "abstuerze"
    if other is None:
        (folder / f"ohne-absturz-{event}.json").unlink()
    else:
        shutil.copy(folder / f"ohne-absturz-{other}.json", folder / f"ohne-absturz-{event}.json")
    with pytest.raises(DauerlaufError, match=f"Der Absturz {problem}.*zeichne-auf absturz_und_weiter"):
        document(copied_pattern().find("ohne-absturz"))


def test_anderer_anfang_faellt_auf(copied: Path) -> None:
    file = copied / "histories" / "abstuerze" / "ohne-absturz-7.json"
    data = json.loads(file.read_text("utf-8"))
    payload = data["events"][0]["workflowExecutionStartedEventAttributes"]["input"]["payloads"][0]
    changed = base64.b64decode(payload["data"]).replace(b"4990", b"4991")
    payload["data"] = base64.b64encode(changed).decode()
    file.write_text(json.dumps(data), "utf-8")
    with pytest.raises(DauerlaufError, match="„nach charge_payment“ passt nicht mehr zum ungestörten Lauf"):
        document(copied_pattern().find("ohne-absturz"))


def test_fehlende_aufzeichnung(copied: Path) -> None:
    (copied / "histories" / "ohne-absturz.json").unlink()
    with pytest.raises(DauerlaufError, match="„ohne-absturz“ ist nicht aufgezeichnet; `dauerlauf zeichne-auf absturz"):
        document(copied_pattern().find("ohne-absturz"))


def test_augenblicke_des_todes() -> None:
    pattern = find_pattern("activity_auswahl")
    found = points(load(pattern.history_file("nacheinander")))
    after = [point for point in found if point.kind is CrashKind.AFTER]
    during = [point for point in found if point.kind is CrashKind.DURING]
    assert len(after) == 5
    assert (after[0].label, after[-1].label) == ("nach load_tariff", "nach render_label (Nr. 3)")
    # Die Etiketten zeichnet ein anderer Worker; in ihm kann dieser nicht sterben.
    assert [point.activity for point in during] == ["load_tariff", "book_letter", "book_parcel"]
    assert [point.event for point in found] == sorted(point.event for point in found)


def test_doppelte_activity_und_ueberlebender_worker_fallen_auf() -> None:
    scenario = find_pattern("absturz_und_weiter").find("ohne-absturz")
    (file, point), *_ = [one for one in crash_files(scenario).items() if one[1].label == "nach charge_payment"]
    run = CrashRun(point, load(file), -9, {"1": 1, "2": 2})
    run.check()
    with pytest.raises(DauerlaufError, match="Activity 1 lief 2-mal, obwohl ihr Ergebnis schon in der History stand"):
        replace(run, executions={"1": 2, "2": 1}).check()
    with pytest.raises(DauerlaufError, match="Der Worker endete mit Code 0"):
        replace(run, exit_code=0).check()


@pytest.mark.prozess
async def test_ein_wirklicher_absturz(timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch) -> None:
    """Der Zahlungsdienst wird einmal gerufen: Was in der History steht, läuft nach dem Tod nicht noch einmal."""
    pattern = find_pattern("absturz_und_weiter")
    scenario = pattern.find("ohne-absturz")
    open_stage = pattern.crash_stages[scenario.name]
    books = importlib.import_module("kapitel01.absturz_und_weiter.services")
    counted: list[str] = []

    @asynccontextmanager
    async def observed(stage: Stage) -> AsyncIterator[CrashStage]:
        async with open_stage(stage) as worked:
            yield worked
            counted.extend(books.audit(stage.folder, "B-2001"))

    monkeypatch.setitem(pattern.crash_stages, scenario.name, observed)
    (file, point), *_ = [(f, p) for f, p in crash_files(scenario).items() if p.label == "nach charge_payment"]
    # Selten trifft der Tod unter Last einen anderen Augenblick; zweimal nacheinander wäre kein Zufall.
    for _ in range(2):
        counted.clear()
        run = await crash(scenario, point, timelapse)
        run.check()
        assert counted == ["Zahlungsdienst: 1 × gebucht, 1 × aufgerufen", "Paketdienst: 1 × gebucht, 1 × aufgerufen"]
        assert run.executions == {"1": 1, "2": 1}
        if same_behaviour(load(file), normalise(run.history)):
            break
    else:
        pytest.fail(f"Zweimal lief es anders als aufgezeichnet: {run.history}")
