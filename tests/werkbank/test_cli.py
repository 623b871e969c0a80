"""Die Kommandozeile: deutsche Sätze, richtige Codes, kein Traceback, kein Prozess bleibt übrig."""

import os
import re
import signal
import socket
import subprocess
import sysconfig
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dauerlauf.cli import app, main
from dauerlauf.scenario import find_pattern, patterns
from dauerlauf.timelapse import Timelapse

PROGRAM = Path(sysconfig.get_path("scripts")) / "dauerlauf"
ENGLISH = re.compile(
    r"\b(Usage|Options|Commands|Arguments|Show this|exit|Error|Missing|Invalid|No such|Got|default|required|int|path)\b"
)
COMMANDS = [command.name for command in app.registered_commands]


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "100")


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Ruft `dauerlauf` in diesem Prozess auf: Code, Ausgabe, Fehlerausgabe."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    shown = capfd.readouterr()
    return int(end.value.code or 0), shown.out, shown.err


def test_ohne_befehl_steht_da_was_es_gibt(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd)
    assert code == 0
    assert "dauerlauf starte saga" in out
    assert err == ""


@pytest.mark.parametrize("command", [[], *[[name] for name in COMMANDS if name]], ids=str)
def test_hilfe_ist_deutsch(capfd: pytest.CaptureFixture[str], command: list[str]) -> None:
    code, out, _ = run(capfd, *command, "--help")
    assert code == 0
    assert "Aufruf:" in out
    assert not ENGLISH.search(out), ENGLISH.search(out)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["strate"], "Den Befehl „strate“ gibt es nicht"),
        (["starte"], "Es fehlt die Angabe MUSTER"),
        (["starte", "sago"], "Das Muster „sago“ gibt es nicht"),
        (["starte", "saga", "glat"], "Das Muster „saga“ hat kein Szenario „glat“; es gibt: "),
        (["starte", "saga", "glatt", "zuviel"], "Die Angabe „zuviel“ ist zu viel"),
        (["starte", "--laut"], "Die Option „--laut“ gibt es hier nicht"),
        (["starte", "saga", "--takt", "1"], "--takt gilt nur zusammen mit --live."),
        (["starte", "saga", "--live", "--takt", "-1"], "Der Wert für --takt passt nicht"),
        (["beobachte"], "Es fehlt die Angabe WORKFLOW_ID"),
        (["server", "--port", "viele"], "Der Wert für --port passt nicht"),
        (["server", "--port", "0"], "0 ist kein Port"),
        (["server", "--datei", "/gibt/es/nicht.db"], "Den Ordner „/gibt/es“ gibt es nicht"),
        (["zeige"], "Nennen Sie entweder ein Muster oder mit --datei einen Export"),
        (["zeige", "--datei", "/gibt/es/nicht.json"], "/gibt/es/nicht.json"),
        (["vergleiche"], "Nennen Sie entweder ein Muster und zwei Szenarien oder mit --datei zwei Exporte"),
        (["vergleiche", "saga", "--datei", "a", "b"], "Nennen Sie entweder ein Muster und zwei Szenarien oder"),
        (["vergleiche", "saga"], "Nennen Sie nach „saga“ genau zwei Szenarien; es gibt: glatt,"),
        (["vergleiche", "saga", "glatt"], "Nennen Sie nach „saga“ genau zwei Szenarien"),
        (["vergleiche", "sago", "glatt", "parallel"], "Das Muster „sago“ gibt es nicht"),
        (["vergleiche", "saga", "glatt", "glat"], "hat kein Szenario „glat“"),
        (["vergleiche", "saga", "glatt", "glatt"], "Es ist zweimal der Lauf „glatt“; nennen Sie zwei verschiedene"),
        (["vergleiche", "saga", "glatt", "parallel", "zuviel"], "Die Angabe „zuviel“ ist zu viel"),
        (["vergleiche", "saga/glatt"], "Nennen Sie zwei Läufe als „muster/szenario muster/szenario“"),
        (["vergleiche", "saga/glatt", "parallel"], "Nennen Sie zwei Läufe als „muster/szenario muster/szenario“"),
        (["vergleiche", "--datei", "a.json"], "Die Option „--datei“ braucht zwei Angaben"),
        (["vergleiche", "--datei", "a.json", "/gibt/es/nicht.json"], "Die Datei „a.json“ lässt sich nicht lesen"),
        (["vergleiche", "--datei", "a.json", "./a.json"], "Es ist zweimal die Datei „a.json“"),
        (["vergleiche", "--datei", __file__, "a.json"], "ist keine JSON-Datei"),
        (["zeichne-auf", "sago"], "Das Muster „sago“ gibt es nicht"),
    ],
    ids=str,
)
def test_falscher_aufruf(capfd: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    code, out, err = run(capfd, *arguments)
    assert code == 2
    assert expected in err
    assert err.startswith("Fehler: ")
    assert err.count("\n") == 1, "genau eine Zeile"
    assert out == ""
    assert not ENGLISH.search(err), ENGLISH.search(err)


@pytest.mark.parametrize("command", ["lies", "ausgaben", "pruefe"])
def test_ausserhalb_des_projekts(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capfd, command)
    assert (code, err) == (
        2,
        "Fehler: Hier liegt kein Dauerlauf-Projekt; wechseln Sie in den Ordner mit der Datei mkdocs.yml.\n",
    )


def test_liste_nennt_jedes_muster(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capfd, "liste")
    assert code == 0
    words = out.split()
    assert set(patterns()) <= set(words)


def test_starte_ein_szenario_zeigt_den_lauf(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capfd, "starte", "saga", "glatt")
    assert code == 0
    assert err == ""
    assert "Ausgang  COMPLETED" in out
    assert "Befund   " in out
    assert "workflow.py:" in out, "die Quelle jedes Schritts steht dabei"


def test_starte_und_zeige_stimmen_ueberein(capfd: pytest.CaptureFixture[str]) -> None:
    _, started, _ = run(capfd, "starte", "hallo")
    _, shown, _ = run(capfd, "zeige", "hallo", next(iter(find_pattern("hallo").scenarios)))
    table = shown.strip().split("\n")[1:]
    assert len(table) > 3
    assert "\n".join(table) in started


def test_zeige_kuerzt_lange_einzelheiten(capfd: pytest.CaptureFixture[str]) -> None:
    _, short, _ = run(capfd, "zeige", "saga", "glatt")
    _, full, _ = run(capfd, "zeige", "saga", "glatt", "--voll")
    assert "…" in short
    assert "…" not in full
    assert len(full) > len(short)


def test_zeige_svg_und_datei(capfd: pytest.CaptureFixture[str]) -> None:
    file = find_pattern("saga").history_file("glatt")
    code, out, _ = run(capfd, "zeige", "--datei", str(file))
    assert code == 0
    assert "OrderWorkflow" in out
    for arguments, count in ((["saga", "glatt"], 1), (["hallo"], 3), (["--datei", str(file)], 1)):
        code, out, _ = run(capfd, "zeige", *arguments, "--svg")
        assert code == 0
        # Eine gültige Datei, auch mit mehreren Läufen: ein Wurzelelement und darin die Bilder.
        pictures = list(ET.fromstring(out).iter("{http://www.w3.org/2000/svg}svg"))
        assert len(pictures) == count
        assert all(picture.get("width") == "760" for picture in pictures)
        assert out.count("<style>") == 1


def test_das_svg_ist_utf_8_gleich_was_das_terminal_spricht() -> None:
    done = subprocess.run(
        [PROGRAM, "zeige", "hallo", "bestaetigung", "--svg"],
        env=os.environ | {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        capture_output=True,
        timeout=60,
        check=True,
    )
    ET.fromstring(done.stdout)


def test_vergleiche_szenarien_und_dateien(capfd: pytest.CaptureFixture[str]) -> None:
    saga = find_pattern("saga")
    code, out, _ = run(capfd, "vergleiche", "saga", "glatt", "versand-scheitert")
    assert code == 0
    assert out.startswith("Bis charge_payment gleich; register_parcel")
    assert "⋮ 2 gleiche Schritte" in out
    _, full, _ = run(capfd, "vergleiche", "saga", "glatt", "versand-scheitert", "--voll")
    assert "⋮" not in full
    assert full.splitlines()[:2] == out.splitlines()[:2]
    files = [str(saga.history_file(name)) for name in ("glatt", "versand-scheitert")]
    code, compared, _ = run(capfd, "vergleiche", "--datei", *files)
    assert code == 0
    # Ohne Legende weiß der Vergleich nicht, was eine Kompensation ist; sonst sagt er dasselbe.
    assert compared.split(";")[0] == out.split(";")[0]
    code, _, _ = run(capfd, "vergleiche", "saga/glatt", "hallo/bestaetigung")
    assert code == 0


def test_konfigurierter_server_und_seine_fehler(
    timelapse: Timelapse,
) -> None:
    assert timelapse.server is not None
    process_environment = os.environ | {"TEMPORAL_ADDRESS": timelapse.server.address}

    def dauerlauf(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments],
            env=process_environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = dauerlauf("starte", "hallo", "bestaetigung")
    assert done.returncode == 0, done.stderr
    assert "Ausgang  COMPLETED" in done.stdout
    done = dauerlauf("starte", "hallo", TEMPORAL_NAMESPACE="gibtsnicht")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Den Namespace „gibtsnicht“ gibt es auf" in done.stderr
    done = dauerlauf("starte", "hallo", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"Fehler: Der Temporal Server 127\.0\.0\.1:1 .* nicht erreichbar .*\n", done.stderr)


def test_server_auf_belegtem_port(timelapse: Timelapse) -> None:
    assert timelapse.server is not None
    port = timelapse.server.address.rpartition(":")[2]
    done = subprocess.run([PROGRAM, "server", "--port", port], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"Fehler: Port {port} für den Server ist nicht frei; beenden Sie das Programm dort oder wählen Sie einen "
        "anderen Port.\n"
    )


def children(pid: int) -> list[int]:
    """Die lebenden Kindprozesse eines Prozesses."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def living(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.prozess
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="Kindprozesse zählt dieser Test über /proc.")
@pytest.mark.parametrize(
    ("command", "how", "code"),
    [
        ("server", signal.SIGINT, 130),
        ("server", signal.SIGTERM, 143),
        ("starte absturz-und-weiter", signal.SIGINT, 130),
        ("starte absturz-und-weiter", signal.SIGTERM, 143),
        ("starte absturz-und-weiter", signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_jedes_ende_raeumt_auf(command: str, how: signal.Signals, code: int) -> None:
    arguments = command.split()
    if command == "server":
        arguments += ["--port", str(_port()), "--ui-port", str(_port())]
    with subprocess.Popen([PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        descendants = children(process.pid)
        assert descendants
        process.send_signal(how)
        _, err = process.communicate(timeout=20)
        assert process.returncode == code
        assert "Traceback" not in err
    deadline = time.monotonic() + 5
    while living(descendants) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not living(descendants)


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_abgeschnittene_pipe_ist_kein_fehler() -> None:
    done = subprocess.run(
        f"{PROGRAM} zeige saga | head -1", shell=True, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.gruendlich
@pytest.mark.timeout(200)
def test_zwanzig_laeufe_enden_mit_dem_richtigen_code() -> None:
    command = [PROGRAM, "starte", "hallo", "bestaetigung"]

    def chain(_: int) -> list[str]:
        runs = [subprocess.run(command, capture_output=True, text=True, timeout=60, check=False) for _ in range(10)]
        return [f"Code {run.returncode}: {run.stderr}" for run in runs if run.returncode != 0]

    with ThreadPoolExecutor(2) as chains:
        assert [problem for found in chains.map(chain, range(2)) for problem in found] == []
