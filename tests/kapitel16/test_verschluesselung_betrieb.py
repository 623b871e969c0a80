"""Der Befehl für den Betrieb: ein Schlüsselwechsel von Anfang bis Ende."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.client import Client
from verschluesselung_hilfen import open_office

from dauerlauf.timelapse import Timelapse, result
from hilfen import until
from kapitel16.verschluesselung import operate
from kapitel16.verschluesselung.keys import ENVIRONMENT, KeyRing, new_key
from kapitel16.verschluesselung.models import Refund, State
from kapitel16.verschluesselung.operate import UsageError, main, remove, usage
from kapitel16.verschluesselung.scenarios import APPROVAL, GOOD, reached
from kapitel16.verschluesselung.workflow import RefundWorkflow

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ring_file(tmp_path: Path) -> Path:
    return tmp_path / "bund.json"


@pytest.fixture
def command(ring_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Ruft den Befehl auf: Code, Ausgabe, Fehlerausgabe."""
    monkeypatch.setenv(ENVIRONMENT, str(ring_file))
    # Ein Server, den es nicht gibt.
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out.strip(), captured.err.strip()

    return run


def test_create_and_activate(command: Command, ring_file: Path) -> None:
    assert command("neu", "a") == (0, f"Neuer Bund mit „a“: {ring_file}", "")
    assert command("neu", "b")[0] == 0
    assert KeyRing.load(ring_file).active == "a"
    assert command("aktiviere", "b") == (0, "Neue Payloads bekommen „b“, sobald Sie neu starten.", "")
    ring = KeyRing.load(ring_file)
    assert (ring.active, ring.key_ids) == ("b", {"a", "b"})
    assert ring.key("a") != ring.key("b")


def test_user_errors_are_one_sentence(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("neu", "a")[0] == 0
    assert command("neu", "a") == (2, "", "Fehler: Den Schlüssel „a“ gibt es schon.")
    assert command("aktiviere", "c") == (2, "", "Fehler: Der aktive Schlüssel „c“ fehlt im Bund.")
    code, _, problem = command("benutzt")
    assert (code, problem) == (
        2,
        "Fehler: Der Temporal Server 127.0.0.1:1 antwortet nicht. Läuft er, und stimmt TEMPORAL_ADDRESS?",
    )
    monkeypatch.delenv(ENVIRONMENT)
    assert command("neu", "a") == (2, "", f"Fehler: Die Umgebungsvariable {ENVIRONMENT} fehlt.")


def test_finished_workflows_count_on_request_and_a_key_made_meanwhile_stays(
    command: Command, ring_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries: list[str] = []

    async def connect() -> None:
        return None

    async def ask(_: Client, query: str) -> Counter[str]:
        """Während der Server antwortet, legt jemand einen Schlüssel an."""
        queries.append(query)
        operate.create(ring_file, f"c{len(queries)}")
        return Counter()

    KeyRing.create("a").with_key("b", new_key()).with_key("c", new_key()).save(ring_file)
    monkeypatch.setattr(operate, "connect", connect)
    monkeypatch.setattr(operate, "usage", ask)
    assert command("entferne", "b")[0] == command("entferne", "c", "--auch-beendete")[0] == 0
    assert queries == ['ExecutionStatus = "Running"', ""]
    assert KeyRing.load(ring_file).key_ids == {"a", "c1", "c2"}


async def test_a_key_goes_only_when_nobody_needs_it(timelapse: Timelapse, tmp_path: Path, ring_file: Path) -> None:
    old = KeyRing.create("alt")
    ring = old.with_key("neu", KeyRing.create("x").key("x")).activate("neu")
    ring.save(ring_file)
    async with open_office(timelapse, tmp_path) as office:
        mine = f'TaskQueue = "{office.task_queue}"'
        running = f'{mine} AND ExecutionStatus = "Running"'
        async with office.worker(ring):
            handle = await office.start(office.client(old))
            newer = office.client(ring).get_workflow_handle_for(RefundWorkflow.run, handle.id)
            await reached(newer, State.AWAITING_APPROVAL)

            async def needed() -> bool:
                return (await usage(timelapse.client, running))["alt"] == 1

            await until(needed)
            with pytest.raises(UsageError, match="„alt“ wird noch gebraucht: von 1 Ausführungen"):
                await remove(timelapse.client, ring_file, "alt", running)
            await newer.signal(RefundWorkflow.approve, APPROVAL)
            await result(newer)

            async def free() -> bool:
                return (await usage(timelapse.client, running))["alt"] == 0

            await until(free)
            # Wer beendete Workflows noch lesen will, wartet, bis der Server sie löscht.
            with pytest.raises(UsageError):
                await remove(timelapse.client, ring_file, "alt", mine)
            assert "ist entfernt" in await remove(timelapse.client, ring_file, "alt", running)
            assert KeyRing.load(ring_file).key_ids == {"neu"}
        rest = KeyRing.load(ring_file)
        async with office.worker(rest):
            fresh = await office.start(office.client(rest), Refund("R-8", GOOD, 100, "Kulanz"))
            assert await result(fresh) == "SEPA-R-8-0"
