"""Der Motor der Übungen: feindlicher Code, Fortschritt, Tipps, Neubeginn, Beobachten, Fehler im Aufruf."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dauerlauf.cli import main
from dauerlauf.errors import DauerlaufError
from dauerlauf.exercises import Failed, authoring, pruefe
from dauerlauf.exercises import bench as bench_module
from dauerlauf.exercises.checks import Wrong
from dauerlauf.exercises.definition import exercises, find, read
from dauerlauf.exercises.notebook import Report
from dauerlauf.exercises.runner import Outcome, check
from dauerlauf.exercises.workspace import PROGRESS, Progress, Workspace
from dauerlauf.timelapse import Timelapse
from dauerlauf.together import together

KNOWN = exercises()
FIRST = find("erster-workflow", KNOWN)
PREDICT = find("zwei-fehlversuche", KNOWN)
SAGA = find("kompensation-zu-spaet", KNOWN)
SOLUTION = (FIRST.solution / "workflow.py").read_text(encoding="utf-8")
CALL = re.search(r"        return await .*\n        \)\n", SOLUTION, re.DOTALL)
assert CALL is not None
BODY = CALL[0]


def _answer(folder: Path, workflow: str | None) -> Path:
    """Ein Ordner wie der einer Leserin, mit diesem `workflow.py`."""
    folder.mkdir(parents=True)
    shutil.copyfile(FIRST.start / "postausgang.py", folder / "postausgang.py")
    if workflow is not None:
        (folder / "workflow.py").write_text(workflow, encoding="utf-8")
    return folder


def _body(*lines: str) -> str:
    """Die Lösung mit einem anderen Rumpf von `run`."""
    return SOLUTION.replace(BODY, "".join(f"        {line}\n" for line in lines))


@dataclass(frozen=True)
class Hostile:
    """Code, der nicht bestehen darf, und was seine Meldung sagen muss."""

    name: str
    workflow: str | None
    wo: str
    says: str


HOSTILE = [
    Hostile(
        "Syntaxfehler", SOLUTION.replace("order: Order)", "order: Order"), r"workflow.py, Zeile \d+", "nicht lesen"
    ),
    Hostile("Datei fehlt", None, r"workflow\.py", "Die Datei fehlt"),
    Hostile(
        "Klasse fehlt", SOLUTION.replace("ConfirmOrder", "Other"), r"workflow\.py", "Der Name „ConfirmOrder“ fehlt"
    ),
    Hostile("Import fehlt", f"import gibtesnicht\n{SOLUTION}", "workflow.py, Zeile 1", "No module named 'gibtesnicht'"),
    Hostile("sys.exit beim Laden", f"import sys\nsys.exit(0)\n{SOLUTION}", "workflow.py, Zeile 2", "SystemExit"),
    Hostile("os._exit beim Laden", f"import os\nos._exit(0)\n{SOLUTION}", "Start Ihres Workers", "mit Code 0"),
    Hostile("kein defn", SOLUTION.replace("@workflow.defn\n", ""), "workflow:ConfirmOrder", "workflow.defn"),
    Hostile("kein run", SOLUTION.replace("    @workflow.run\n", ""), "workflow.py, Zeile", "@workflow.run"),
    Hostile(
        "run ohne async",
        SOLUTION.replace("async def run", "def run").replace("return await", "return"),
        "workflow.py, Zeile",
        "`async def run`",
    ),
    Hostile(
        "await vergessen",
        _body("workflow.sleep(1)", "return 'schreiben-1-NL-1007.txt'"),
        "Event History",
        "Auf `sleep` hat niemand gewartet",
    ),
    Hostile(
        "Argument für __init__",
        SOLUTION.replace(
            "    @workflow.run\n", "    def __init__(self, order: Order) -> None:\n        pass\n\n    @workflow.run\n"
        ),
        "Workflow-Code",
        "`@workflow.init`",
    ),
    Hostile(
        "os._exit im Workflow",
        f"import os\n{_body('with workflow.unsafe.sandbox_unrestricted():', '    os._exit(0)')}",
        "Prozess Ihres Workers",
        "mitten in der Arbeit beendet",
    ),
    Hostile(
        "sys.exit im Workflow",
        f"import sys\n{_body('sys.exit(0)')}",
        "Workflow-Task|Prozess Ihres Workers",
        "`sys.exit`",
    ),
    Hostile("Endlosschleife", _body("while True:", "    pass"), r"workflow\.py, Zeile", "gibt länger als 2 s nicht ab"),
    Hostile(
        "Uhr",
        f"import datetime\n{_body('return str(datetime.datetime.now())')}",
        "workflow.py, Zeile",
        "Die Sandbox verbietet",
    ),
    Hostile(
        "Sandbox beim Laden",
        f"from pathlib import Path\nTEXT = Path('postausgang.py').read_text()\n{SOLUTION}",
        "workflow.py, Zeile 2",
        "auf oberster Ebene",
    ),
    Hostile(
        "Timeout fehlt",
        SOLUTION.replace("            start_to_close_timeout=timedelta(seconds=10),\n", ""),
        "workflow.py, Zeile",
        "Hier fehlt das Timeout",
    ),
    Hostile(
        "Argument vom falschen Typ",
        SOLUTION.replace("            order,\n", "            order.order_id,\n"),
        "Activity „confirm_order“",
        "passt nicht zu dem Typ",
    ),
    Hostile(
        "lokale Activity",
        SOLUTION.replace("workflow.execute_activity", "workflow.execute_local_activity"),
        "workflow.py|Workflow-Code",
        "läuft beim Worker des Workflows",
    ),
    Hostile(
        "wartet ewig",
        _body("await workflow.wait_condition(lambda: False)", "return ''"),
        "Letztes `await`",
        "nie eintritt",
    ),
    Hostile(
        "falsche Queue",
        SOLUTION.replace("            order,\n", '            order,\n            task_queue="woanders",\n'),
        "Activity „confirm_order“",
        "Task Queue „woanders“",
    ),
    Hostile(
        "unbekannte Activity",
        SOLUTION.replace("            confirm_order,\n", '            "confirm",\n'),
        "Activity „confirm“",
        "Kein Worker dieser Task Queue kennt sie",
    ),
    Hostile(
        "ersetzt die Prüfung",
        "import dauerlauf.exercises.bench as bench\nimport dauerlauf.exercises.runner as runner\n"
        "bench.expect = lambda *a, **k: None\nrunner.Outcome.solved = True\n"
        + _body("return 'schreiben-1-NL-1007.txt'"),
        "Event History",
        "Dort stehen 0 Events ActivityTaskScheduled",
    ),
    Hostile(
        "eigene Activity statt der vorgegebenen",
        _body("return await confirm_order(order)"),
        "workflow.py|postausgang.py",
        "NotImplementedError",
    ),
]


async def _outcomes(timelapse: Timelapse, folder: Path, cases: list[Hostile]) -> list[Outcome]:
    gate = asyncio.Semaphore(4)

    async def one(number: int, case: Hostile) -> Outcome:
        async with gate:
            return await check(FIRST, _answer(folder / str(number), case.workflow), timelapse)

    return await together(*(one(number, case) for number, case in enumerate(cases)))


async def test_feindlicher_code_besteht_nie_und_hoert_den_grund(timelapse: Timelapse, tmp_path: Path) -> None:
    problems = []
    for case, outcome in zip(HOSTILE, await _outcomes(timelapse, tmp_path, HOSTILE), strict=True):
        failure = outcome.failure
        if (
            failure is None
            or not re.search(case.wo, failure.wo)
            or case.says not in f"{failure.warum} {failure.weiter}"
        ):
            problems.append(f"{case.name}: {failure and (failure.wo, failure.warum)}")
        elif not failure.weiter:
            problems.append(f"{case.name}: sagt nicht, wie es weitergeht")
    assert problems == []


async def test_endlosschleife_beim_laden_endet_mit_einem_satz(
    timelapse: Timelapse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench_module, "LOAD_LIMIT", 1.0)
    outcome = await check(FIRST, _answer(tmp_path / "a", f"while True:\n    pass\n{SOLUTION}"), timelapse)
    assert outcome.answers_to("eine Endlosschleife oder ein Warten ohne Ende")


async def test_was_der_code_druckt_und_schreibt_aendert_nichts_am_befund(timelapse: Timelapse, tmp_path: Path) -> None:
    noise = (
        "import os, sys\nfrom pathlib import Path\n"
        "print('[/red] gelöst')\nos.write(1, bytes(range(256)))\nsys.stdout.close()\n"
        "Path('fortschritt.txt').write_text('1.1 gelöst')\nPath('postausgang.py').write_text('kaputt')\n"
    )
    quiet = SOLUTION.replace("    from postausgang", "    import postausgang, stoerer\n    from postausgang")
    folder = _answer(tmp_path / "a", quiet)
    (folder / "stoerer.py").write_text(noise, encoding="utf-8")
    solved = await check(FIRST, folder, timelapse)
    assert sorted(file.name for file in folder.iterdir()) == ["postausgang.py", "stoerer.py", "workflow.py"]
    wrong = quiet.replace(BODY, "        return 'gelöst'\n")
    (folder / "workflow.py").write_text(wrong, encoding="utf-8")
    unsolved = await check(FIRST, folder, timelapse)
    assert (solved.solved, unsolved.solved) == (True, False), solved.message
    assert any("[/red] gelöst" in line for line in unsolved.output)


async def test_vorgegebene_dateien_kommen_aus_der_uebung(timelapse: Timelapse, tmp_path: Path) -> None:
    folder = _answer(tmp_path / "a", SOLUTION)
    (folder / "postausgang.py").write_text("raise SystemExit\n", encoding="utf-8")
    outcome = await check(FIRST, folder, timelapse)
    assert outcome.solved, outcome.message


def test_eine_falsche_antwort_muss_genau_einmal_passen(tmp_path: Path) -> None:
    with pytest.raises(DauerlaufError, match="kommt 0-mal statt einmal vor"):
        Wrong("fehlt", changes=(("gibt es nicht", ""),), expected="x").write(FIRST.solution, tmp_path)
    with pytest.raises(DauerlaufError, match=r"kommt \d+-mal statt einmal vor"):
        Wrong("mehrfach", changes=(("order", ""),), expected="x").write(FIRST.solution, tmp_path)


def test_ein_befund_ist_nur_der_erwartete_wenn_er_es_sagt() -> None:
    failed = Outcome(FIRST, (), "absturz", "Titel", Failed(wo="hier", warum="darum", weiter="dahin"))
    assert [failed.answers_to(one) for one in ("absturz", "darum", "Titel", "anderes", "")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not Outcome(FIRST, ("alles",)).answers_to("absturz")


PREDICTION = """\
from dauerlauf.exercises import Question


async def truth(bench):
    return {"anzahl": 3, "dauer": 1.5, "art": "Timer", "namen": ["a", "b"], "menge": ["x", "y"]}


def explain(answer, truth):
    return f"Sie nennen {answer}.", "Zählen Sie nach."


QUESTIONS = (
    Question("anzahl", "Wie viele?", int, explain),
    Question("dauer", "Wie lange?", float, explain),
    Question("art", "Was?", str, explain, choices=("Timer", "Signal")),
    Question("namen", "Welche der Reihe nach?", list, explain),
    Question("menge", "Welche?", list, explain, ordered=False),
)
"""
RIGHT = {"anzahl": "3", "dauer": "1.5", "art": '"Timer"', "namen": '["a", "b"]', "menge": '["y", "x"]'}


@pytest.mark.parametrize(
    ("answers", "wo", "warum"),
    [
        ({}, None, ""),
        ({"dauer": "2"}, "Feld „dauer“", "Sie nennen 2."),
        ({"namen": '["b", "a"]'}, "Feld „namen“", "Sie nennen"),
        ({"menge": '["x"]'}, "Feld „menge“", "Sie nennen"),
        ({"anzahl": "-1"}, "Feld „anzahl“", "noch keine Antwort"),
        ({"art": '""'}, "Feld „art“", "noch keine Antwort"),
        ({"anzahl": "3.0"}, "Feld „anzahl“", "erwartet ist eine ganze Zahl"),
        ({"anzahl": "true"}, "Feld „anzahl“", "erwartet ist eine ganze Zahl"),
        ({"art": '"Query"'}, "Feld „art“", "steht nicht zur Wahl"),
        ({"dauer": ""}, "antwort.toml, Zeile 2", "kein gültiges TOML"),
        ({"dauer": "1.5\n[art"}, "antwort.toml, Zeile 3", "kein gültiges TOML"),
    ],
)
async def test_antworten_einer_vorhersage(
    timelapse: Timelapse, tmp_path: Path, answers: dict[str, str], wo: str | None, warum: str
) -> None:
    folder = tmp_path / "kapitel07" / "aufgaben" / "01_frage"
    folder.mkdir(parents=True)
    (folder / "pruefung.py").write_text(PREDICTION, encoding="utf-8")
    lines = [f"{name} = {value}\n" for name, value in {**RIGHT, **answers}.items()]
    (tmp_path / "antwort.toml").write_text("".join(lines), encoding="utf-8")
    failure = (await check(read(folder), tmp_path, timelapse)).failure
    if wo is None:
        assert failure is None
    else:
        assert failure is not None
        assert wo in failure.wo
        assert warum in failure.warum


# Fortschritt und Ordner


@pytest.fixture
def space(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "uebungen")
    workspace.prepare(FIRST)
    return workspace


def test_fortschritt_ist_lesbar_und_laesst_notizen_stehen(space: Workspace) -> None:
    space.update(FIRST, lambda state: replace(state, hints=1, attempts=4, solved=True, saw_solution=True))
    file = space.folder / PROGRESS
    text = file.read_text(encoding="utf-8")
    assert "\n1.1 gelöst, 1 Tipp, 4 Versuche, Lösung gesehen\n" in text
    file.write_text(text.replace("gesehen\n", "gesehen # endlich!\n") + "\n# Notiz\n99.9  offen\n", encoding="utf-8")
    space.update(FIRST, lambda state: replace(state, attempts=5))
    after = file.read_text(encoding="utf-8")
    assert "1.1 gelöst, 1 Tipp, 5 Versuche, Lösung gesehen  # endlich!" in after
    assert after.endswith("# Notiz\n99.9  offen\n")
    assert space.progress()["99.9"] == Progress()
    assert [path.name for path in space.folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"1.1 fertig\n", "Zeile 1: \u201e1.1 fertig\u201c ist nicht zu verstehen"),
        (b"# gut\n\n1.1 offen, 3 Kekse\n", "Zeile 3"),
        (b"1.1 offen\n1.1 offen\n", "Zeile 2: Die Übung 1.1 steht zweimal da"),
        (b"\xff\xfe", "kein Text in UTF-8"),
    ],
)
def test_kaputter_fortschritt_nennt_die_zeile_und_bleibt_liegen(space: Workspace, text: bytes, says: str) -> None:
    file = space.folder / PROGRESS
    file.write_bytes(text)
    with pytest.raises(DauerlaufError, match=says):
        space.update(FIRST, lambda state: replace(state, solved=True))
    assert file.read_bytes() == text


def test_abbruch_beim_schreiben_laesst_den_alten_stand(space: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    space.update(FIRST, lambda state: replace(state, solved=True))
    before = (space.folder / PROGRESS).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        space.update(FIRST, lambda state: replace(state, attempts=9))
    assert (space.folder / PROGRESS).read_bytes() == before


def test_die_naechste_uebung_ist_die_zuletzt_bearbeitete_offene(space: Workspace) -> None:
    assert space.current(KNOWN) == FIRST
    space.update(SAGA, lambda state: state)
    assert space.current(KNOWN) == SAGA
    space.update(SAGA, lambda state: replace(state, solved=True))
    following = KNOWN[(KNOWN.index(SAGA) + 1) % len(KNOWN)]
    assert space.current(KNOWN) == following
    for one in KNOWN:
        space.update(one, lambda state: replace(state, solved=True))
    assert space.current(KNOWN) is None


def test_neubeginn_hebt_die_alten_dateien_auf(space: Workspace) -> None:
    mine = space.place(FIRST) / "workflow.py"
    for text in ("eins", "zwei"):
        mine.write_text(text, encoding="utf-8")
        backup = space.reset(FIRST)
        assert backup is not None
        assert (backup / "workflow.py").read_text(encoding="utf-8") == text
        assert mine.read_text(encoding="utf-8") == (FIRST.start / "workflow.py").read_text(encoding="utf-8")
    assert len(list((space.folder / "alt").iterdir())) == 2


def test_im_ordner_liegt_nichts_was_prueft_oder_verraet(space: Workspace) -> None:
    for one in KNOWN:
        space.prepare(one)
        names = {file.name for file in space.place(one).iterdir()}
        assert names == {*one.files, "aufgabe.md"}
        text = (space.place(one) / "aufgabe.md").read_text(encoding="utf-8")
        assert one.goal in text
        assert not any(hint in text for hint in one.hints)


# Die Kommandozeile

PROGRAM = Path(sysconfig.get_path("scripts")) / "dauerlauf"


def _run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["uebe", *arguments])
    shown = capfd.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ein leerer Arbeitsordner."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["7.l"], "meinten Sie „7."),
        (["7.99"], "Kapitel 7 hat 7.1, 7.2, 7.3"),
        (["7"], "Die Übung „7“ gibt es nicht; Kapitel 7 hat 7.1"),
        (["komensation-zu-spat"], f"meinten Sie „{SAGA.number}“ (Kompensation zu spät vorgemerkt)"),
        (["999"], "Die Übung „999“ gibt es nicht; `dauerlauf uebe --liste` zeigt alle."),
        (["--tipp", "--neu"], "--tipp und --neu gehen nicht zusammen"),
        (["1.1", "--alle"], "--alle gilt für alle Übungen; lassen Sie „1.1“ weg."),
        (["--alle"], "Sie haben noch keine Übung begonnen"),
        (["--laut"], "Die Option „--laut“ gibt es hier nicht"),
        (["1.1", "--loesung"], "bestätigen Sie mit --ja"),
        (["--ordner", "/dev/null"], "„/dev/null“ ist kein Ordner"),
        (["--ordner", "/proc/uebungen", "1.1"], "lässt sich nicht benutzen"),
    ],
)
def test_falscher_aufruf_endet_mit_einem_satz(
    capfd: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    code, _, error = _run(capfd, *arguments)
    assert (code, error.count("\n")) == (2, 1)
    assert says in error


def test_erst_die_aufgabe_dann_der_befund_dann_geloest(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = _run(capfd, "1.1")
    assert code == 1
    assert FIRST.goal in out
    assert "uebungen/1.1-erster-workflow/workflow.py" in out
    assert "Wo: workflow.py, Zeile" in out
    assert "postausgang.py\n" not in out.split("Ihre Dateien:")[1]
    shutil.copyfile(FIRST.solution / "workflow.py", here / "uebungen" / FIRST.name / "workflow.py")
    code, out, _ = _run(capfd)
    assert code == 0
    assert FIRST.goal not in out
    assert FIRST.why.splitlines()[0] in out
    assert f"Als Nächstes: {KNOWN[1].number}" in out
    code, out, _ = _run(capfd, "1.1", "--loesung")
    assert code == 0
    assert BODY.strip() in out
    assert "1.1 gelöst, 0 Tipps, 2 Versuche, Lösung gesehen" in (here / "uebungen" / PROGRESS).read_text("utf-8")


def test_drei_tipps_nacheinander_und_gezaehlt(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = [_run(capfd, SAGA.number, "--tipp")[1] for _ in range(4)]
    for number, out in zip((1, 2, 3, 3), shown, strict=True):
        assert f"Tipp {number} von 3" in out
        assert SAGA.hints[number - 1].splitlines()[0] in out
    assert "--loesung" in shown[2]
    assert f"{SAGA.number} offen, 3 Tipps, 0 Versuche" in (here / "uebungen" / PROGRESS).read_text("utf-8")


def test_links_ins_buch_stehen_im_terminal_als_ueberschrift(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    linked = find("7.4", KNOWN)
    assert "[Zurück, auch gegen einen Abbruch](saga.md#zurueck)" in linked.hints[1]
    out = [_run(capfd, linked.number, "--tipp")[1] for _ in range(2)][1]
    assert "„Zurück, auch gegen einen Abbruch“" in out
    assert "saga.md" not in out


def test_alle_prueft_was_begonnen_ist(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    space = Workspace(here / "uebungen")
    space.prepare(FIRST)
    space.prepare(PREDICT)
    shutil.copyfile(FIRST.solution / "workflow.py", space.place(FIRST) / "workflow.py")
    code, out, _ = _run(capfd, "--alle")
    assert code == 1
    assert f"1 von 2 begonnenen Übungen gelöst; {len(KNOWN) - 2} noch nicht begonnen." in out
    code, out, _ = _run(capfd, "--liste")
    assert code == 0
    assert re.search(r"1\.1 +gelöst +Ihr erster Workflow", out)
    assert re.search(rf"{re.escape(SAGA.number)} +neu +Kompensation", out)
    assert f"1 von {len(KNOWN)} Übungen gelöst." in out


def test_beobachten_prueft_nach_dem_speichern_und_endet_mit_strg_c(here: Path) -> None:
    folder = here / "uebungen" / FIRST.name
    process = subprocess.Popen(
        [PROGRAM, "uebe", "1.1", "--beobachte"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    took = []
    watchdog = threading.Timer(90, process.kill)
    watchdog.start()

    def until(text: str) -> str:
        seen = ""
        for line in process.stdout or ():
            seen += line
            if text in line:
                return seen
        raise AssertionError(f"„{text}“ kam nicht; gedruckt wurde: {seen}")

    try:
        until("--tipp")
        for written, says in (
            (SOLUTION.replace("order: Order)", "order: Order"), "Python kann die Datei nicht lesen"),
            (SOLUTION, "Als Nächstes:"),
            (None, "Die Datei fehlt."),
            (SOLUTION, "Als Nächstes:"),
        ):
            began = time.monotonic()
            if written is None:
                (folder / "workflow.py").unlink()
            else:
                (folder / "workflow.py").write_text(written, encoding="utf-8")
            until(says)
            took.append(time.monotonic() - began)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(30) == 0
        assert "Traceback" not in rest
        assert "Beendet." in rest
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
    print("Vom Speichern bis zum Befund:", ", ".join(f"{one:.2f} s" for one in took))


def test_pruefe_im_notebook_laeuft_in_einer_laufenden_event_loop(here: Path) -> None:
    async def cell() -> tuple[Report, Report]:
        first = pruefe("1.1")
        shutil.copyfile(FIRST.solution / "workflow.py", here / "uebungen" / FIRST.name / "workflow.py")
        return first, pruefe("1.1")

    first, second = asyncio.run(cell())
    assert (first.solved, second.solved) == (False, True)
    assert "noch nicht: Der Workflow ruft die Activity auf" in repr(first)
    assert "Gelöst: Der Workflow sagt, was geschehen soll" in repr(second)
    assert "<dt><strong>Warum</strong></dt>" in first._repr_html_()
    assert "1.1 gelöst, 0 Tipps, 2 Versuche" in (here / "uebungen" / PROGRESS).read_text("utf-8")


# Das Gerüst einer neuen Übung


def test_geruest_ist_vollstaendig_und_faellt_durch_bis_es_gefuellt_ist(tmp_path: Path) -> None:
    chapter = tmp_path / "examples" / "kapitel07"
    chapter.mkdir(parents=True)
    for number, title, rung in (("7.1", "Ein Größenmaß", "bauen"), ("7.3", "Wie oft?", "vorhersagen")):
        authoring.create(tmp_path, number, title, rung)
    known = exercises([chapter])
    assert [one.name for one in known] == ["7.1-ein-groessenmass", "7.3-wie-oft"]
    found: dict[str, list[str]] = {}
    for exercise, text in authoring.missing(known, []):
        found.setdefault(exercise.number, []).append(text)
    assert found["7.3"][0] == "In der Zählung fehlt 7.2."
    for texts in found.values():
        for part in ("(ziel)", "(lernziel)", "(## Warum)", "genau 3", "gleicht der Lösung", "0 falsche Antworten"):
            assert any(part in text for text in texts), part


def test_befehl_legt_das_geruest_im_projekt_an(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for folder in ("src/dauerlauf", "examples/kapitel07", "book"):
        (here / folder).mkdir(parents=True)
    (here / "mkdocs.yml").touch()
    with pytest.raises(SystemExit) as end:
        main(["neue-uebung", "7.1", "Wie oft?", "--stufe", "vorhersagen"])
    assert not end.value.code
    place = here / "examples/kapitel07/aufgaben/01_wie_oft"
    assert str(place) in capfd.readouterr().out
    assert (place / "start/antwort.toml").is_file()
    with pytest.raises(SystemExit) as end:
        main(["neue-uebung", "7.1", "Noch eine", "--stufe", "bauen"])
    assert end.value.code == 2
    assert "Die Nummer 7.1 ist vergeben" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("7", "Titel", "bauen"), "ist keine Nummer"),
        (("7.0", "Titel", "bauen"), "ist keine Nummer"),
        (("77.1", "Titel", "bauen"), "Das Kapitel 77 gibt es noch nicht"),
        (("7.1", "Titel", "baun"), "Die Stufe „baun“ gibt es nicht"),
        (("7.1", "???", "bauen"), "mindestens einen Buchstaben"),
    ],
)
def test_geruest_lehnt_unmoegliches_ab(tmp_path: Path, arguments: tuple[str, str, str], says: str) -> None:
    (tmp_path / "examples" / "kapitel07").mkdir(parents=True)
    with pytest.raises(DauerlaufError, match=re.escape(says)):
        authoring.create(tmp_path, *arguments)


def test_geruest_ueberschreibt_keine_nummer(tmp_path: Path) -> None:
    (tmp_path / "examples" / "kapitel07").mkdir(parents=True)
    authoring.create(tmp_path, "7.1", "Eins", "bauen")
    with pytest.raises(DauerlaufError, match=r"Die Nummer 7\.1 ist vergeben: „Eins“"):
        authoring.create(tmp_path, "7.1", "Zwei", "bauen")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("muster: saga", "muster: sago"), "Das Muster „sago“ gibt es nicht."),
        (("stufe: reparieren", "stufe: repariern"), "Die Stufe „repariern“ gibt es nicht"),
        (("## Tipp 2", "## Typ 2"), "Jede Übung hat genau 3"),
        (("## Warum", "## Wieso"), "(## Warum)"),
        (("## Warum", "## Anforderungen\n\n## Warum"), "„## Anforderungen“ erscheint nirgends"),
    ],
)
def test_pruefe_nennt_was_einer_uebung_fehlt(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    copy = tmp_path / "kapitel07" / "aufgaben" / "01_kompensation_zu_spaet"
    shutil.copytree(SAGA.folder, copy)
    assert list(authoring.missing(exercises([tmp_path / "kapitel07"]), ["saga"])) == []
    description = copy / "aufgabe.md"
    description.write_text(description.read_text("utf-8").replace(*change), encoding="utf-8")
    assert any(says in text for _, text in authoring.missing(exercises([tmp_path / "kapitel07"]), ["saga"]))
