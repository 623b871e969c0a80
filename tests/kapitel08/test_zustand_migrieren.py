"""Das Muster `zustand_migrieren`: jede frühere Form bleibt lesbar, im Ganzen und unter Störungen."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from konto_hilfen import BOOKINGS, NAMES, file_of, record, start, use
from temporalio import workflow
from temporalio.client import WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import PayloadConverter, default
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from dauerlauf.history import load, steps
from dauerlauf.scenario import Run
from dauerlauf.timelapse import Timelapse, result
from hilfen import play_selected
from kapitel08.zustand_migrieren import progress, worker
from kapitel08.zustand_migrieren.activities import AccountActivities, Outbox
from kapitel08.zustand_migrieren.models import REMEMBERED, Account, Booking, Confirmation, Rename, Tier
from kapitel08.zustand_migrieren.progress import move_all, outdated
from kapitel08.zustand_migrieren.scenarios import ACCOUNTS, OLD, PATTERN, old_worker, settled
from kapitel08.zustand_migrieren.schema import (
    CURRENT,
    SchemaTooNewError,
    join_name,
    read,
    schema_of,
    to_cents,
    upcast,
    write,
)
from kapitel08.zustand_migrieren.versions import v1, v3
from kapitel08.zustand_migrieren.worker import create_worker
from kapitel08.zustand_migrieren.workflow import SCHEMA, AccountWorkflow, tagged

# Siehe scenarios.py: Das SDK lässt eine Coroutine liegen, wenn `__init__` eines Workflows wirft.
pytestmark = pytest.mark.filterwarnings("ignore:coroutine '_WorkflowInstanceImpl")

# Szenario: letzter Stand des Kontos, Bestätigungen, weitere Notizen.
EXPECTED: Mapping[str, tuple[str, str, list[str]]] = {
    "glatt": ("Jörg Weiß, 3249 Cent, gold, de", "B-1: 3249", []),
    "altes-konto": ("Jörg Weiß, 3749 Cent, gold, de", "B-1: 3249, B-2: 3749", []),
    "alter-client": ("Jörg Groß, 3249 Cent, premium, da", "B-1: 3249", ["Antwort an den alten Client: Jörg Groß"]),
    "wartende-activity": ("Jörg Weiß, 3249 Cent, gold, de", "B-1: 3249", []),
    "umzug": (
        "Jörg Weiß, 3749 Cent, gold, de",
        "B-1: 3249, B-2: 3749",
        ["Eingabe vorher: Form 1, 133 Byte", "Eingabe nachher: Form 4, 175 Byte"],
    ),
    "zurueckgerollt": (
        "Jörg Weiß, 1750 Cent, gold, da",
        "B-1: 1750",
        [
            "Eingabe vorher: Form 3, 187 Byte",
            "Eingabe nachher: Form 4, 170 Byte",
            "Version 3 meldet: Schema 4; dieser Code kennt bis 3.",
        ],
    ),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN)


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    account, mails, notes = EXPECTED[name]
    run = played[name]
    assert run.status == "COMPLETED"
    assert run.notes == [*notes, f"Konto, Form 4: {account}", f"Bestätigt (Stand in Cent): {mails}"]


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(PATTERN.history_file(name), workflows=PATTERN.workflows) == 1


@pytest.mark.parametrize("version", OLD)
async def test_a_run_of_an_old_version_replays(version: int, replay: Callable[..., Awaitable[int]]) -> None:
    assert await replay(file_of(version), workflows=[AccountWorkflow]) == 1


@pytest.mark.gruendlich
@pytest.mark.parametrize("version", OLD)
async def test_the_old_code_still_behaves_as_recorded(version: int, timelapse: Timelapse) -> None:
    then, now = (
        sorted((step.kind, step.title, step.detail) for step in steps(history) if not step.internal)
        for history in (load(file_of(version)), await record(timelapse, version))
    )
    assert then == now


# --- Die Kette -------------------------------------------------------------------------------------------------------

CENTS = st.integers(-(10**9), 10**9)


@settings(max_examples=60, deadline=None)
@given(
    account=st.builds(
        v1.Account,
        number=st.text(),
        name=st.text(),
        mail=st.text(),
        fax=st.text(),
        balance=CENTS.map(lambda cents: cents / 100),
        tier=st.sampled_from(v1.Tier),
        booked=st.lists(st.text(), max_size=3),
    )
)
@example(account=v1.Account("K-1", "Jörg Weiß", "j@example.org", "", 19.99))
@example(account=v1.Account("K-2", " X", "", "", 0.29))
def test_nothing_of_version_1_is_lost(account: v1.Account) -> None:
    stored = json.loads(json.dumps(asdict(account)))
    new = read(Account, stored)
    back = v1.Account(
        number=new.number,
        name=join_name(new.first_name, new.last_name),
        mail=new.email,
        fax=account.fax,
        balance=new.balance_cents / 100,
        tier=v1.Tier(new.tier),
        booked=new.booked,
    )
    assert back == account
    assert new.language == "de"
    # In einem Sprung oder in drei: dasselbe. Noch einmal: nichts mehr zu tun.
    assert upcast(upcast(upcast(stored, 2), 3), 4) == upcast(stored)
    assert upcast(upcast(stored)) == upcast(stored)
    assert stored == asdict(account)


def test_all_forms_of_the_same_account_read_alike() -> None:
    read_as = [read(Account, ACCOUNTS[form]) for form in ACCOUNTS]
    for account in read_as:
        account.language, account.tier = "da", Tier.PREMIUM
    assert read_as == [read_as[-1]] * CURRENT


@pytest.mark.parametrize("version", BOOKINGS)
def test_messages_of_every_version_read_alike(version: int) -> None:
    assert read(Booking, BOOKINGS[version]) == Booking("B-1", 1999)
    assert read(Rename, NAMES[version]) == Rename("Jörg", "Groß")


def test_cents_are_rounded_not_cut() -> None:
    assert [to_cents(euros) for euros in (19.99, 0.29, 1.1, -4.35)] == [1999, 29, 110, -435]
    assert int(19.99 * 100) == 1998


def test_what_is_written_carries_its_number_and_reads_the_same() -> None:
    account = read(Account, ACCOUNTS[1])
    assert schema_of(write(account)) == CURRENT
    assert read(Account, write(account)) == account


def test_newer_data_is_refused() -> None:
    with pytest.raises(SchemaTooNewError, match=r"Schema 5; dieser Code kennt bis 4\."):
        read(Account, {**ACCOUNTS[4], "schema": 5})


def test_an_account_remembers_a_bounded_number_of_bookings() -> None:
    account = read(Account, ACCOUNTS[4])
    for number in range(REMEMBERED + 10):
        assert account.book(Booking(f"B-{number}", 1))
    assert not account.book(Booking(f"B-{REMEMBERED + 9}", 1))
    assert (len(account.booked), account.balance_cents) == (REMEMBERED, 1250 + REMEMBERED + 10)


# --- Alte Konten und neuer Code --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_version_4_continues_what_an_old_version_began(
    version: int, timelapse: Timelapse, tmp_path: Path
) -> None:
    handle, queue = await use(timelapse, version, tmp_path)
    outbox = Outbox(tmp_path)
    async with create_worker(timelapse.client_for("worker-4"), outbox, task_queue=queue):
        await handle.signal("book", {"schema": 4, "number": "B-2", "amount_cents": 1})
        await settled(handle, 2, outbox)
        state = await handle.query(AccountWorkflow.state)
        await handle.terminate()
    account = read(Account, state)
    assert (account.first_name, account.last_name, account.balance_cents) == ("Jörg", "Groß", 3250)
    assert outbox.mails() == [("B-1", "joerg@example.org", 3249), ("B-2", "joerg@example.org", 3250)]


async def _open(timelapse: Timelapse, folder: Path, form: int) -> tuple[Any, Worker, Outbox]:
    queue, outbox = timelapse.task_queue(), Outbox(folder)
    handle = await start(timelapse, queue, form)
    return handle, create_worker(timelapse.client_for("worker-4"), outbox, task_queue=queue), outbox


async def test_a_duplicate_booking_counts_once_even_after_the_move(timelapse: Timelapse, tmp_path: Path) -> None:
    handle, program, outbox = await _open(timelapse, tmp_path, 1)
    async with program:
        await handle.signal("book", BOOKINGS[1])
        await settled(handle, 1, outbox)
        await handle.signal(AccountWorkflow.move)
        await _moved(handle)
        await handle.signal("book", BOOKINGS[4])
        await handle.signal(AccountWorkflow.close)
        assert (await result(handle))["balance_cents"] == 3249
    assert outbox.mails() == [("B-1", "joerg@example.org", 3249)]


async def test_bookings_are_confirmed_before_the_move(timelapse: Timelapse, tmp_path: Path) -> None:
    handle, program, outbox = await _open(timelapse, tmp_path, 1)
    for number in range(3):
        await handle.signal("book", {"number": f"B-{number}", "amount": 1.0})
    await handle.signal(AccountWorkflow.move)
    async with program:
        await _moved(handle)
        assert (await handle.describe()).typed_search_attributes[SCHEMA] == CURRENT
        await handle.terminate()
    assert [cents for _, _, cents in outbox.mails()] == [1550, 1550, 1550]


async def test_an_account_that_closes_while_it_moves_stays_closed(timelapse: Timelapse, tmp_path: Path) -> None:
    handle, program, _ = await _open(timelapse, tmp_path, 1)
    await handle.signal(AccountWorkflow.move)
    await handle.signal(AccountWorkflow.close)
    async with program:
        assert (await result(handle))["balance_cents"] == 1250
    assert (await handle.describe()).run_id == handle.first_execution_run_id


async def test_an_account_in_the_newest_form_does_not_move(timelapse: Timelapse, tmp_path: Path) -> None:
    handle, program, outbox = await _open(timelapse, tmp_path, 4)
    async with program:
        await handle.signal(AccountWorkflow.move)
        await settled(handle, 0, outbox)
        assert (await handle.describe()).run_id == handle.first_execution_run_id
        await handle.terminate()


@pytest.mark.parametrize("sent", [{"vorname": "Jörg"}, {**NAMES[4], "schema": 5}], ids=["felder", "schema"])
def test_the_validator_refuses_what_it_cannot_read(sent: Mapping[str, Any]) -> None:
    account = AccountWorkflow(ACCOUNTS[4])
    for names in NAMES.values():
        account._require_readable(names)
    with pytest.raises((TypeError, SchemaTooNewError)):
        account._require_readable(sent)


async def test_an_unreadable_update_is_rejected_and_leaves_no_event(timelapse: Timelapse, tmp_path: Path) -> None:
    handle, program, outbox = await _open(timelapse, tmp_path, 4)
    async with program:
        await settled(handle, 0, outbox)
        before = len((await handle.fetch_history()).events)
        for sent in ({"vorname": "Jörg"}, {**NAMES[4], "schema": 5}):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(AccountWorkflow.rename, sent)
        assert len((await handle.fetch_history()).events) == before
        await handle.terminate()


async def test_the_search_finds_what_is_outdated_until_it_has_moved(timelapse: Timelapse, tmp_path: Path) -> None:
    queue, outbox = timelapse.task_queue(), Outbox(tmp_path)
    only = f"AND TaskQueue = '{queue}'"
    async with create_worker(timelapse.client_for("worker-4"), outbox, task_queue=queue):
        for form in ACCOUNTS:
            await timelapse.client.start_workflow(
                AccountWorkflow.run,
                ACCOUNTS[form],
                id=f"{queue}-{form}",
                task_queue=queue,
                search_attributes=tagged() if form == CURRENT else None,
            )
        async with asyncio.timeout(30):
            while await outdated(timelapse.client, only) != 3:
                await asyncio.sleep(0.01)
            assert await move_all(timelapse.client, only) == 3
            while await outdated(timelapse.client, only):
                await asyncio.sleep(0.01)
        for form in ACCOUNTS:
            handle = timelapse.client.get_workflow_handle(f"{queue}-{form}")
            assert schema_of(await _stored(handle)) == CURRENT
            await handle.terminate()


async def test_one_closed_account_does_not_stop_the_others() -> None:
    """Ohne Server: Das Konto K-2 schließt zwischen Suche und Signal."""
    asked: list[tuple[str, Any]] = []

    class Handle:
        def __init__(self, account: str) -> None:
            self.account = account

        async def signal(self, name: Any) -> None:
            asked.append((self.account, name))
            if self.account == "K-2":
                raise RPCError("workflow execution already completed", RPCStatusCode.NOT_FOUND, b"")

    class Search:
        get_workflow_handle = Handle

        async def list_workflows(self, query: str) -> AsyncIterator[Any]:
            assert query == f"{progress.OUTDATED} AND Filiale = 'Kiel'"
            for number in ("K-1", "K-2", "K-3"):
                yield SimpleNamespace(id=number)

    client: Any = Search()
    assert await move_all(client, "AND Filiale = 'Kiel'") == 2
    assert asked == [(number, AccountWorkflow.move) for number in ("K-1", "K-2", "K-3")]


async def _moved(handle: Any) -> None:
    async with asyncio.timeout(30):
        while schema_of(await _stored(handle)) != CURRENT:
            await asyncio.sleep(0.01)


async def _stored(handle: Any) -> Mapping[str, Any]:
    """Die Eingabe des jüngsten Laufs, wie sie gespeichert ist."""
    async for event in handle.fetch_history_events():
        data: Mapping[str, Any] = json.loads(event.workflow_execution_started_event_attributes.input.payloads[0].data)
        return data
    raise AssertionError


@pytest.mark.parametrize("full", [False, True])
def test_a_full_history_starts_a_new_one(full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Auch ein Konto in neuester Form, das niemand umziehen ließ."""
    account = AccountWorkflow(ACCOUNTS[4])
    info = SimpleNamespace(is_continue_as_new_suggested=lambda: full)
    monkeypatch.setattr(workflow, "info", lambda: info)
    assert account._leaving() is full


def test_the_move_does_not_make_the_state_grow() -> None:
    [started] = [load(PATTERN.history_file("umzug")).events[0].workflow_execution_started_event_attributes]
    assert schema_of(json.loads(started.input.payloads[0].data)) == CURRENT
    full = read(Account, ACCOUNTS[4])
    for number in range(1000):
        full.book(Booking(f"B-{number:06}", 1))
    assert len(json.dumps(write(full))) < 1000


@pytest.mark.parametrize(
    "sent",
    [
        {"number": "B-1", "mail": "joerg@example.org", "balance": 32.49},
        {"schema": 2, "number": "B-1", "email": "joerg@example.org", "balance": 32.49},
        {"schema": 3, "number": "B-1", "email": "joerg@example.org", "balance_cents": 3249},
        write(Confirmation("B-1", "joerg@example.org", 3249)),
    ],
    ids=["v1", "v2", "v3", "v4"],
)
def test_the_activity_reads_every_form_and_sends_once(sent: Mapping[str, Any], tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for _ in range(2):
        ActivityEnvironment().run(AccountActivities(outbox).confirm_booking, sent)
    outbox.send("B-1", "joerg@example.org", 1)
    assert outbox.mails() == [("B-1", "joerg@example.org", 3249)]


# --- Der Weg zurück --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("converter", [default(), pydantic_data_converter], ids=["json", "pydantic"])
def test_unknown_fields_are_dropped_without_a_word(converter: Any) -> None:
    payloads: PayloadConverter = converter.payload_converter
    stored = {**ACCOUNTS[3], "balance_cents": 1250, "points": 77}
    [account] = payloads.from_payloads(payloads.to_payloads([stored]), [v3.Account])
    assert "points" not in asdict(account)


def test_old_code_cannot_read_a_new_member_of_an_enum() -> None:
    payloads = default().payload_converter
    with pytest.raises(TypeError, match="Failed converting field tier"):
        payloads.from_payloads(payloads.to_payloads([{**ACCOUNTS[4], "fax": ""}]), [v3.Account])


@pytest.mark.parametrize("version", [2, 3])
async def test_before_the_move_the_old_code_can_come_back(version: int, timelapse: Timelapse, tmp_path: Path) -> None:
    handle, queue = await use(timelapse, version, tmp_path)
    outbox = Outbox(tmp_path)
    async with create_worker(timelapse.client_for("worker-4"), outbox, task_queue=queue):
        await handle.signal("book", {**BOOKINGS[version], "number": "B-2"})
        await settled(handle, 2, outbox)
    async with old_worker(version, timelapse.client_for("worker-alt"), outbox, queue):
        await handle.signal(AccountWorkflow.close)
        state = await result(handle)
    assert (schema_of(state), read(Account, state).balance_cents) == (version, 1250 + 2 * 1999)


# --- Die Kommandozeile -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "moved"), [([], 0), (["--umziehen"], 1)])
def test_counting_moves_nobody(
    words: list[str], moved: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[str] = []

    async def counted(*_: Any) -> int:
        return 7

    async def move(*_: Any) -> int:
        calls.append("move")
        return 5

    monkeypatch.setattr(progress, "connect", counted)
    monkeypatch.setattr(progress, "outdated", counted)
    monkeypatch.setattr(progress, "move_all", move)
    monkeypatch.setattr("sys.argv", ["programm", *words])
    assert (progress.main(), len(calls)) == (0, moved)
    lines = ["In alter Form: 7 Konten", "Zum Umzug aufgefordert: 5"]
    assert capsys.readouterr().out.splitlines() == lines[: 1 + moved]


def test_without_folder_or_server_the_programs_say_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.argv", ["programm"])
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:9")
    monkeypatch.delenv("NORDLICHT_ORDNER", raising=False)
    assert worker.main() == 2
    monkeypatch.setenv("NORDLICHT_ORDNER", str(tmp_path))
    assert (worker.main(), progress.main()) == (2, 2)
    missing = "Der Temporal Server 127.0.0.1:9 antwortet nicht. Läuft er, und stimmt TEMPORAL_ADDRESS?"
    assert capsys.readouterr().err.splitlines() == ["Die Umgebungsvariable NORDLICHT_ORDNER fehlt.", missing, missing]
