"""Der Befehl des Betriebs, so wie ihn die Betriebsseite zeigt: als eigenes Programm gegen einen echten Server."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from dlq_hilfen import Office, open_office, table_with
from temporalio.client import WorkflowExecutionStatus

from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse
from kapitel07.dead_letter_queue import operate
from kapitel07.dead_letter_queue.files import UNREADABLE_AMOUNT, mixed, row
from kapitel07.dead_letter_queue.letters import LetterTable
from kapitel07.dead_letter_queue.models import State
from kapitel07.dead_letter_queue.scenarios import PATTERN

ANKE = ("--wer", "Anke Petersen")
OTHER_IBAN = "DE02120300000000202051"


async def _start(office: Office, *words: str) -> asyncio.subprocess.Process:
    """Startet den Befehl."""
    assert office.timelapse.server is not None
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "kapitel07.dead_letter_queue.operate", *words,
        env=clean
        | {
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "TEMPORAL_ADDRESS": office.timelapse.server.address,
            "NORDLICHT_ORDNER": str(office.folder),
        },
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _run(office: Office, *words: str) -> tuple[int, str, str]:
    """Ruft den Befehl auf; gibt Code, Ausgabe und Fehlerausgabe zurück."""
    process = await _start(office, *words)
    output, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.gruendlich
async def test_read_repair_redrive_as_a_program(
    timelapse: Timelapse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = mixed(6, every=2)
    async with open_office(timelapse, tmp_path, *items) as office:
        await office.import_all()
        await operate.execute(operate.build_parser().parse_args(["liste", "--art", "IbanUngueltig"]), office.table)
        assert capsys.readouterr().out.split()[:3] == ["R-0002", "geparkt", "IbanUngueltig"]
        office.table.correct("R-0006", {"amount": "49,90"}, "Anke Petersen")
        queue = ("--task-queue", office.worker.task_queue)
        code, output, errors = await _run(office, "wiederhole", "R-0006", "R-0004", *ANKE, *queue)
        assert (code, errors) == (0, "")
        assert output.splitlines()[1] == "1 erledigt, 1 wieder geparkt, 0 übersprungen"
        assert office.states() == {"R-0002": State.PARKED, "R-0004": State.PARKED, "R-0006": State.DONE}


@pytest.mark.gruendlich
@pytest.mark.skipif(sys.platform == "win32", reason="Windows schickt Prozessen kein SIGINT")
async def test_ctrl_c_ends_only_the_waiting(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as office:
        # Diese Task Queue bedient niemand: Die Wiederholung ist sicher noch nicht fertig.
        process = await _start(office, "wiederhole", "--alle", *ANKE, "--task-queue", timelapse.task_queue())
        assert process.stdout is not None
        workflow_id = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().split()[-1]
        process.send_signal(signal.SIGINT)
        _, errors = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, errors.decode()) == (130, "Die Wiederholung läuft auf dem Server weiter.\n")
        handle = timelapse.client.get_workflow_handle(workflow_id)
        assert (await handle.describe()).status is WorkflowExecutionStatus.RUNNING
        await handle.terminate("Test beendet")


PAGE = Path(__file__).parents[2] / "book/teil3/kapitel07/dead-letter-queue-betrieb.md"


def _commands() -> list[str]:
    """Alle Befehle der Betriebsseite in ihrer Reihenfolge, ohne Server und Worker; die startet der Test."""
    found = re.findall(r"```console\n(?:uv run )?(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [command for command in found if not command.endswith((".worker", "dauerlauf server"))]


async def _shell(command: str, environment: dict[str, str], folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_shell(
        command, env=environment, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.mark.gruendlich
@pytest.mark.prozess
@pytest.mark.timeout(300)
async def test_every_command_of_the_page_works(tmp_path: Path) -> None:
    """Die Betriebsseite von oben nach unten, jeder Befehl so, wie er dasteht."""
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {key: value for key, value in os.environ.items() if not key.startswith("TEMPORAL_")}
    async with await EmbeddedServer.start(search_attributes=PATTERN.search_attributes) as server:
        environment = clean | {
            "PATH": binaries,
            "TEMPORAL_CONFIG_FILE": os.devnull,
            "TEMPORAL_ADDRESS": server.address,
            "NORDLICHT_ORDNER": str(tmp_path / "nordlicht-daten"),
        }
        first, *commands = _commands()
        assert (await _shell(first, environment, tmp_path))[0] == 0
        worker = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kapitel07.dead_letter_queue.worker", env=environment, stderr=asyncio.subprocess.PIPE
        )
        try:
            assert worker.stderr is not None
            assert b"Worker bereit" in await asyncio.wait_for(worker.stderr.readline(), 30)
            outputs = {}
            for command in commands:
                code, outputs[command] = await _shell(command, environment, tmp_path)
                # Der Posten ist schon erledigt; verwerfen lässt er sich dann nicht mehr.
                assert code == ("--name discard" in command), outputs[command]
                assert ("workflow execution already completed" in outputs[command]) == bool(code)
                if "workflow start" in command:
                    await _settled(command, environment, tmp_path)
        finally:
            worker.terminate()
            await worker.wait()
    text = "\n".join(outputs.values())
    assert "Wartet auf `retry_with` oder `discard`" in text
    assert "Zurückgesetzt: nichts zu tun" in text
    table = LetterTable(tmp_path / "nordlicht-daten")
    assert {one.row.number: one.state for one in table.all()} == {
        "R-0010": State.PARKED,
        "R-0020": State.DISCARDED,
        "R-0030": State.DONE,
    }


async def _settled(command: str, environment: dict[str, str], folder: Path) -> None:
    """Wartet, bis der eben gestartete Workflow parkt oder endet."""
    workflow_id = re.search(r"--workflow-id (\S+)", command)
    assert workflow_id
    query = f"WorkflowId = '{workflow_id[1]}' AND (DeadLetter IS NOT NULL OR ExecutionStatus != 'Running')"
    async with asyncio.timeout(60):
        while "Total: 1" not in (await _shell(f'temporal workflow count --query "{query}"', environment, folder))[1]:
            await asyncio.sleep(0.1)


def _main(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = operate.main(["--ordner", str(folder), *words])
    except SystemExit as ended:
        code = int(str(ended.code))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_shows_corrects_discards_and_keeps_a_protocol(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table_with(tmp_path, row("R-1", **UNREADABLE_AMOUNT), row("R-2"))
    assert _main(tmp_path, capsys, "liste")[1].count("\n") == 2
    assert "amount='49.9O'" in _main(tmp_path, capsys, "zeige", "R-1")[1]
    assert _main(tmp_path, capsys, "berichtige", "R-1", "--betrag", "49,90", *ANKE)[0] == 0
    assert _main(tmp_path, capsys, "berichtige", "R-1", "--auftrag", "N-7", "--iban", OTHER_IBAN, *ANKE)[0] == 0
    assert f"order='N-7', iban='{OTHER_IBAN}', amount='49,90'" in _main(tmp_path, capsys, "zeige", "R-1")[1]
    assert _main(tmp_path, capsys, "verwirf", "R-2", "--grund", "doppelt", *ANKE)[0] == 0
    assert _main(tmp_path, capsys, "liste", "--stand", "geparkt")[1].split()[0] == "R-1"
    protocol = _main(tmp_path, capsys, "protokoll")[1]
    assert "Anke Petersen: amount: '49.9O' → '49,90'" in protocol
    assert "verworfen   Anke Petersen: doppelt" in protocol


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["zeige", "R-9"], "Einen Brief R-9 gibt es nicht."),
        (["verwirf", "R-1", "--grund", " ", *ANKE], "Verwerfen braucht eine Begründung"),
        (["verwirf", "R-1", "--grund", "doppelt", "--wer", " "], "Der Eingriff braucht einen Namen"),
        (["berichtige", "R-1", *ANKE], "Nennen Sie --auftrag, --iban oder --betrag."),
        (["berichtige", "R-1", "--betrag", "49.90", *ANKE], "„49.90“ ist kein Betrag wie 49,90."),
        (["wiederhole", *ANKE], "Nennen Sie Nummern, --art oder --alle"),
        (["wiederhole", "--alle", "R-1", *ANKE], "Nennen Sie Nummern, --art oder --alle"),
        (["wiederhole", "R-9", *ANKE], "Einen Brief R-9 gibt es nicht."),
        (["wiederhole", "--alle", "--je-sekunde", "0", *ANKE], "So geht der Aufruf: operate wiederhole"),
        (["wiederhole", "--alle"], "So geht der Aufruf: operate wiederhole"),
        (["liste", "--stand", "quer"], "So geht der Aufruf: operate liste"),
        (["lösche", "R-1"], "So geht der Aufruf: operate"),
        ([], "So geht der Aufruf: operate"),
    ],
)
def test_a_wrong_call_is_one_german_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table_with(tmp_path, row("R-1", **UNREADABLE_AMOUNT))
    code, output, errors = _main(tmp_path, capsys, *words)
    assert (code, output) == (2, "")
    assert errors.startswith("Fehler: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_the_help_is_german(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["wiederhole"]):
        code, output, _ = _main(tmp_path, capsys, *words, "--help")
        assert code == 0
        assert output.startswith("Aufruf: operate")
        assert not {"usage:", "options:", "positional", "show this"} & set(output.split())


def test_a_missing_folder_or_server_is_one_german_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, errors = _main(tmp_path / "weg", capsys, "liste")
    assert (code, errors.count("\n")) == (2, 1)
    assert "nennen Sie ihn mit --ordner oder in NORDLICHT_ORDNER" in errors
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    code, _, errors = _main(tmp_path, capsys, "wiederhole", "--alle", *ANKE)
    assert (code, errors.count("\n")) == (2, 1)
    assert "Der Temporal Server 127.0.0.1:1 antwortet nicht." in errors
