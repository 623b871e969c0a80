"""Das Muster `recht_auf_loeschung`: Schlüssel, Codec und die Löschung als Workflow."""

import asyncio
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import uuid4

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from loeschung_hilfen import Shop, new_stage, open_office, raw_history
from temporalio.api.common.v1 import Header, Memo, Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import History, HistoryEvent, WorkflowExecutionStartedEventAttributes
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.converter import (
    ActivitySerializationContext,
    PayloadConverter,
    SerializationContext,
    WorkflowSerializationContext,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ExecuteActivityInput

from dauerlauf.scenario import Run
from dauerlauf.timelapse import Timelapse, result
from hilfen import play_selected
from kapitel16.recht_auf_loeschung import key_store, measure
from kapitel16.recht_auf_loeschung.activities import ErasureActivities
from kapitel16.recht_auf_loeschung.codec import (
    ERASED,
    ErasablePayloadConverter,
    OwnerUnknownError,
    PersonCodec,
    owner,
    tombstone,
    with_person_keys,
)
from kapitel16.recht_auf_loeschung.guard import INPUT_ERASED, ErasedGuard, is_erased
from kapitel16.recht_auf_loeschung.key_store import (
    KEY_FILE,
    KeyCache,
    KeyDestroyedError,
    KeyMissingError,
    KeyStore,
    KeyStoreError,
)
from kapitel16.recht_auf_loeschung.models import (
    INVOICE,
    ORDER,
    PURPOSES,
    Destruction,
    ErasureRecord,
    ErasureRequest,
    Invoice,
    OrderView,
    Parcel,
    Payment,
    Proof,
)
from kapitel16.recht_auf_loeschung.proof import examine, payloads
from kapitel16.recht_auf_loeschung.register import Register
from kapitel16.recht_auf_loeschung.scenarios import LAMP, MEIKE, PATTERN, Office, reached
from kapitel16.recht_auf_loeschung.worker import create_worker, main
from kapitel16.recht_auf_loeschung.workflow import KEY_LIFETIME, ErasureWorkflow, OrderWorkflow
from kapitel16.verschluesselung.codec import PlaintextError
from kapitel16.verschluesselung.keys import KeyRing

PERSON = "0b6f2a3e-6a0b-4a51-9c58-000000000001"
TIMER_STARTED = EventType.EVENT_TYPE_TIMER_STARTED
ORDER_ID = f"kunde/{PERSON}/auftrag/N-1"
KEY_ID = f"{PERSON}.auftrag"
AT = "2026-01-05T08:00:00+00:00"

# Szenario: Status und die Notizen, auf die es ankommt.
EXPECTED: dict[str, tuple[str, list[str]]] = {
    "bestellung": ("COMPLETED", ["Lager: N-1001 verschickt", "Stammdaten: Meike Jürgensen, Anke Weiß"]),
    "glatt": (
        "COMPLETED",
        [
            "Protokoll: 0 beendet, 1 Histories, 6 Payloads gelöscht, 0 lesbar",
            "Auftrag: gelöscht, ohne Aufschrift, Vermerk: ",
            "Lager: N-1001 freigegeben",
            "Stammdaten: Anke Weiß",
        ],
    ),
    "andere-laeuft-weiter": (
        "COMPLETED",
        [
            "Protokoll: 0 beendet, 1 Histories, 4 Payloads gelöscht, 0 lesbar",
            "Ergebnis: abgeschlossen",
            "Stammdaten: Anke Weiß",
        ],
    ),
    "waehrend-der-bestellung": (
        "COMPLETED",
        [
            "Protokoll: 0 beendet, 1 Histories, 6 Payloads gelöscht, 0 lesbar",
            "Auftrag: COMPLETED",
            "Lager: N-1003 freigegeben",
        ],
    ),
    "schonfrist-vorbei": (
        "COMPLETED",
        ["Protokoll: 1 beendet, 1 Histories, 1 Payloads gelöscht, 0 lesbar", "Auftrag: TERMINATED"],
    ),
    "worker-stirbt": (
        "COMPLETED",
        ["worker-1: Prozess beendet mit Code -9 (SIGKILL)", "Protokolleinträge: 1"],
    ),
    "doppelt": ("COMPLETED", ["Zweiter Antrag: derselbe Lauf", "Dritter Antrag: derselbe Zeitpunkt"]),
}


def test_every_scenario_has_an_expectation() -> None:
    assert set(EXPECTED) == set(PATTERN.scenarios)


@pytest.fixture(scope="module")
async def played(request: pytest.FixtureRequest, timelapse: Timelapse) -> Mapping[str, Run]:
    """Die Szenarien, die dieser Testlauf prüft, gleichzeitig gespielt."""
    return await play_selected(request, timelapse, PATTERN)


@pytest.mark.parametrize("name", EXPECTED)
def test_scenario(name: str, played: Mapping[str, Run]) -> None:
    status, notes = EXPECTED[name]
    run = played[name]
    assert run.status == status
    assert [note for note in run.notes if note in notes] == notes, run.notes


@pytest.mark.parametrize("name", PATTERN.scenarios)
async def test_recorded_history_replays(name: str, replay: Callable[..., Awaitable[int]]) -> None:
    file = PATTERN.history_file(name)
    assert await replay(file, workflows=PATTERN.workflows, data_converter=PATTERN.data_converter) == 1


# --- Der Schlüsselspeicher --------------------------------------------------------------------------------------------


def _store(folder: Path) -> KeyStore:
    store = KeyStore(folder)
    store.create(KEY_ID)
    return store


def _wrapped(folder: Path) -> bytes:
    connection = sqlite3.connect(folder / KEY_FILE)
    wrapped: bytes = connection.execute("SELECT wrapped FROM keys WHERE id = ?", (KEY_ID,)).fetchone()[0]
    connection.close()
    return wrapped


def _bytes_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


def test_a_key_is_the_same_every_time(tmp_path: Path) -> None:
    store = _store(tmp_path)
    first = store.key(KEY_ID)
    store.create(KEY_ID)
    assert KeyStore(tmp_path).key(KEY_ID) == first
    assert len(first) == 32


def test_no_file_contains_a_key_in_the_clear(tmp_path: Path) -> None:
    key = _store(tmp_path).key(KEY_ID)
    assert _wrapped(tmp_path) in _bytes_in(tmp_path)
    assert key not in _bytes_in(tmp_path)


def test_destroying_leaves_no_byte_of_the_key_in_the_file(tmp_path: Path) -> None:
    store = _store(tmp_path)
    wrapped = _wrapped(tmp_path)
    # Auch nicht in einem Write-Ahead-Log, das ein anderer Prozess noch offen hält.
    with closing(sqlite3.connect(tmp_path / KEY_FILE)) as reader:
        reader.execute("SELECT * FROM destroyed").fetchall()
        store.create("betrieb")
        assert store.destroy(KEY_ID, AT) == AT
        found = _bytes_in(tmp_path)
    # Auch kein Stück: SQLite überschreibt sonst nur den Anfang der freigegebenen Zelle.
    assert not [start for start in range(len(wrapped) - 8) if wrapped[start : start + 8] in found]


def test_a_destroyed_key_stays_destroyed(tmp_path: Path) -> None:
    store = _store(tmp_path)
    store.destroy(KEY_ID, AT)
    assert store.destroy(KEY_ID, "2027-01-01T00:00:00+00:00") == AT
    with pytest.raises(KeyDestroyedError):
        store.create(KEY_ID)
    with pytest.raises(KeyDestroyedError):
        store.key(KEY_ID)
    # Auch was es nie gab, entsteht nach seiner Löschung nicht mehr.
    store.destroy("nie", AT)
    with pytest.raises(KeyDestroyedError):
        store.create("nie")


def test_a_missing_key_is_not_an_erased_one(tmp_path: Path) -> None:
    with pytest.raises(KeyMissingError):
        _store(tmp_path).key(f"{uuid4()}.auftrag")


def test_a_wrapped_key_is_bound_to_its_person(tmp_path: Path) -> None:
    store = _store(tmp_path)
    other = f"{uuid4()}.auftrag"
    store.create(other)
    connection = sqlite3.connect(tmp_path / KEY_FILE)
    with connection:
        connection.execute("UPDATE keys SET wrapped = ? WHERE id = ?", (_wrapped(tmp_path), other))
    connection.close()
    with pytest.raises(KeyStoreError) as error:
        store.key(other)
    # Unbrauchbar ist nicht gelöscht: Sonst schriebe jeder Worker Grabsteine.
    assert not isinstance(error.value, KeyDestroyedError)


def test_a_backup_from_before_brings_the_key_back(tmp_path: Path) -> None:
    store = _store(tmp_path)
    key = store.key(KEY_ID)
    shutil.copy(tmp_path / KEY_FILE, tmp_path / "sicherung")
    store.destroy(KEY_ID, AT)
    shutil.copy(tmp_path / "sicherung", tmp_path / KEY_FILE)
    assert store.key(KEY_ID) == key


def test_after_rotating_the_master_key_a_backup_is_worthless(tmp_path: Path) -> None:
    store = _store(tmp_path)
    other = f"{uuid4()}.auftrag"
    store.create(other)
    survivor = store.key(other)
    shutil.copy(tmp_path / KEY_FILE, tmp_path / "sicherung")
    store.destroy(KEY_ID, AT)
    master = tmp_path / key_store.MASTER_FILE
    old = KeyRing.load(master).key("haupt-1")
    assert store.rotate_master() == "haupt-2"
    assert KeyRing.load(master).key("haupt-2") != old
    assert store.key(other) == survivor
    shutil.copy(tmp_path / "sicherung", tmp_path / KEY_FILE)
    with pytest.raises(LookupError):
        store.key(KEY_ID)


def test_a_missing_master_key_is_not_replaced(tmp_path: Path) -> None:
    key = _store(tmp_path).key(KEY_ID)
    (tmp_path / key_store.MASTER_FILE).rename(tmp_path / "tresor.json")
    with pytest.raises(KeyStoreError, match="Der Hauptschlüssel .* fehlt"):
        KeyStore(tmp_path)
    (tmp_path / "tresor.json").rename(tmp_path / key_store.MASTER_FILE)
    assert KeyStore(tmp_path).key(KEY_ID) == key


def test_a_crash_while_rotating_loses_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store(tmp_path)
    key = store.key(KEY_ID)

    def crash(call: Callable[..., Any], intact: int) -> Callable[..., Any]:
        """Lässt die ersten Aufrufe durch; dann ist der Strom weg."""
        calls = count()

        def run(*arguments: object) -> Any:
            if next(calls) >= intact:
                raise RuntimeError("Strom weg")
            return call(*arguments)

        return run

    # Beim Verpacken, vor dem ersten und vor dem zweiten Schreiben des Hauptschlüssels.
    for target, name, intact in ((key_store, "_wrap", 0), (KeyRing, "save", 0), (KeyRing, "save", 1)):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, crash(getattr(target, name), intact))
            with pytest.raises(RuntimeError):
                store.rotate_master()
        assert store.key(KEY_ID) == key
    store.rotate_master()
    assert store.key(KEY_ID) == key
    assert len(KeyRing.load(tmp_path / key_store.MASTER_FILE).key_ids) == 1


def test_the_master_key_changes_only_under_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zwei Wechsel zugleich überschrieben sich sonst den Schlüssel, mit dem alles verpackt ist."""
    store = _store(tmp_path)

    def locked(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: object) -> Any:
            other = sqlite3.connect(tmp_path / KEY_FILE, timeout=0)
            with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            return call(*arguments)

        return run

    monkeypatch.setattr(KeyRing, "load", staticmethod(locked(KeyRing.load)))
    monkeypatch.setattr(KeyRing, "save", locked(KeyRing.save))
    store.create(f"{uuid4()}.auftrag")
    store.key(KEY_ID)
    store.rotate_master()
    assert KEY_ID in store.living()


def test_a_second_change_of_the_master_key_may_overtake_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = _store(tmp_path), KeyStore(tmp_path)
    key = first.key(KEY_ID)
    original, calls = KeyStore._open, 0

    @contextmanager
    def overtaken(store: KeyStore) -> Iterator[sqlite3.Connection]:
        nonlocal calls
        calls += store is first
        if store is first and calls == 2:  # Der erste hat umgepackt, den alten aber noch nicht weggeworfen.
            second.rotate_master()
        with original(store) as connection:
            yield connection

    monkeypatch.setattr(KeyStore, "_open", overtaken)
    first.rotate_master()
    assert calls == 2
    assert first.key(KEY_ID) == second.key(KEY_ID) == key
    assert KeyRing.load(tmp_path / key_store.MASTER_FILE).key_ids == {"haupt-3"}


def test_rotating_while_customers_register_loses_no_key(tmp_path: Path) -> None:
    store = _store(tmp_path)
    key_ids = [f"{uuid4()}.auftrag" for _ in range(60)]

    def register(key_id: str) -> bytes:
        store.create(key_id)
        return store.key(key_id)

    with ThreadPoolExecutor(4) as threads:
        keys = threads.map(register, key_ids)
        for _ in range(5):
            store.rotate_master()
    assert list(keys) == [store.key(key_id) for key_id in key_ids]


def test_after_a_restore_the_record_erases_again(tmp_path: Path) -> None:
    register = Register(tmp_path)
    meike = replace(MEIKE, number=PERSON)
    register.register(meike)
    anke = replace(MEIKE, number=str(uuid4()))
    register.register(anke)
    assert register.accepts_orders(PERSON)
    register.close(PERSON)
    assert not register.accepts_orders(PERSON)
    backup = tmp_path / "sicherung"
    backup.mkdir()
    for name in (KEY_FILE, "stammdaten.sqlite"):
        shutil.copy(tmp_path / name, backup / name)
    store = KeyStore(tmp_path)
    for number, customer in enumerate((meike.number, anke.number)):
        for purpose in PURPOSES:
            store.destroy(f"{customer}.{purpose}", AT)
        register.forget(customer)
        record = ErasureRecord(customer, list(PURPOSES), AT, 0, Proof(1, 6, 0))
        # Ein Antrag steht einmal darin, auch wenn er sich wiederholt; ein späterer steht daneben.
        for request in (number, number, "später"):
            register.record(f"betrieb/loeschung/{request}", record)
    for file in backup.iterdir():
        shutil.copy(file, tmp_path / file.name)
    assert store.key(KEY_ID)
    assert register.customer(PERSON) == meike
    assert register.reapply() == 8
    for person in (meike, anke):
        for purpose in PURPOSES:
            with pytest.raises(KeyDestroyedError):
                store.key(f"{person.number}.{purpose}")
        # Auch wer sich unter derselben Nummer noch einmal anmeldet, hinterlässt nichts.
        with pytest.raises(KeyDestroyedError):
            register.register(person)
        with pytest.raises(LookupError):
            register.customer(person.number)


def test_released_goods_are_not_shipped(tmp_path: Path) -> None:
    register = Register(tmp_path)
    register.reserve("N-1")
    register.release("N-1")
    register.ship("N-1")
    assert register.stock() == {"N-1": "freigegeben"}


# --- Wie lange ein Worker einen Schlüssel behält ----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@example(lifetime=1, steps=[(0, 0), (1, 1), (1, 0)], death=1)
@given(
    lifetime=st.integers(1, 60),
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 2)), min_size=1, max_size=30),
    death=st.integers(0, 30),
)
def test_no_worker_uses_a_key_longer_than_its_lifetime(lifetime: int, steps: list[tuple[int, int]], death: int) -> None:
    """Drei Worker greifen zu beliebigen Zeiten zu; irgendwann wird der Schlüssel vernichtet."""
    now = 0.0
    destroyed: list[float] = []

    class Store:
        def key(self, key_id: str) -> bytes:
            if destroyed:
                raise KeyDestroyedError(key_id)
            return b"k"

    caches: list[KeyCache] = [KeyCache(Store(), lifetime, lambda: now) for _ in range(3)]  # type: ignore[arg-type]
    for number, (pause, worker) in enumerate(steps):
        now += pause
        if number == death:
            destroyed.append(now)
        try:
            caches[worker].key(KEY_ID)
        except KeyDestroyedError:
            continue
        assert not destroyed or now < destroyed[0] + lifetime


def test_within_its_lifetime_a_key_is_looked_up_once(tmp_path: Path) -> None:
    clock = iter([0.0, 1.0, 59.9, 60.0])
    keys = KeyCache(_store(tmp_path), 60, lambda: next(clock))
    lookups = []
    for _ in range(4):
        keys.key(KEY_ID)
        lookups.append(keys.lookups)
    assert lookups == [1, 1, 1, 2]


def test_an_expired_key_leaves_the_memory(tmp_path: Path) -> None:
    now = 0.0
    store = _store(tmp_path)
    store.create("betrieb")
    keys = KeyCache(store, 60, lambda: now)
    keys.key(KEY_ID)
    now = 61.0
    keys.key("betrieb")
    assert store.key(KEY_ID) not in {known.key for known in keys._known.values()}


# --- Wem ein Payload gehört -------------------------------------------------------------------------------------------


def test_the_workflow_id_names_the_owner() -> None:
    assert owner(ORDER_ID) == KEY_ID
    assert owner(f"kunde/{PERSON}/rechnung/N-1") == f"{PERSON}.rechnung"
    assert owner("betrieb/loeschung/1") == "betrieb"


@pytest.mark.parametrize(
    "workflow_id",
    [
        "",
        "auftrag-1",
        "kunde/meike@example.org/auftrag/1",
        "kunde/4711/betrieb/1",
        f"kunde/{PERSON}",
        f"alt-kunde/{PERSON}/auftrag/1",
        PERSON,
    ],
)
async def test_without_an_owner_nothing_is_written(workflow_id: str, tmp_path: Path) -> None:
    codec = PersonCodec(KeyCache(_store(tmp_path), 0), strict=False, workflow_id=workflow_id)
    with pytest.raises(OwnerUnknownError):
        await codec.encode([Payload(data=b"Meike")])


def _codec(folder: Path, *, strict: bool) -> PersonCodec:
    context = WorkflowSerializationContext("default", ORDER_ID)
    return PersonCodec(KeyCache(KeyStore(folder), 0), strict=strict).with_context(context)


async def test_the_codec_learns_the_owner_from_the_serialization_context(tmp_path: Path) -> None:
    _store(tmp_path)
    in_activity = ActivitySerializationContext("default", "1", "ship", "q", ORDER_ID, "OrderWorkflow", False)
    codec = PersonCodec(KeyCache(KeyStore(tmp_path), 0), strict=False).with_context(in_activity)
    sealed = await codec.encode([Payload(data=b"Meike")])
    assert sealed[0].metadata["encryption-key-id"] == KEY_ID.encode()
    assert (await codec.decode(sealed))[0].data == b"Meike"
    # Ein Kontext ohne Workflow gehört niemandem, auch nicht der vorigen Person.
    with pytest.raises(OwnerUnknownError):
        await codec.with_context(SerializationContext()).encode([Payload(data=b"Meike")])


async def test_erased_data_becomes_a_tombstone_everywhere(tmp_path: Path) -> None:
    store = _store(tmp_path)
    worker, client = _codec(tmp_path, strict=False), _codec(tmp_path, strict=True)
    sealed = await worker.encode([Payload(data=b"Meike")])
    store.destroy(KEY_ID, AT)
    assert await worker.decode(sealed) == await client.decode(sealed) == [tombstone()]
    # Ein Worker schreibt Grabsteine, ein Client verweigert sich.
    assert await worker.encode([Payload(data=b"Meike")]) == [tombstone()]
    with pytest.raises(KeyDestroyedError):
        await client.encode([Payload(data=b"Meike")])


async def test_a_missing_key_raises_instead_of_pretending_erasure(tmp_path: Path) -> None:
    _store(tmp_path)
    sealed = await _codec(tmp_path, strict=False).encode([Payload(data=b"Meike")])
    elsewhere = tmp_path / "anderswo"
    elsewhere.mkdir()
    with pytest.raises(KeyMissingError):
        await _codec(elsewhere, strict=False).decode(sealed)
    with pytest.raises(KeyMissingError):
        await _codec(elsewhere, strict=False).encode([Payload(data=b"Meike")])


async def test_plaintext_is_refused(tmp_path: Path) -> None:
    _store(tmp_path)
    with pytest.raises(PlaintextError):
        await _codec(tmp_path, strict=False).decode([Payload(metadata={"encoding": b"json/plain"}, data=b'"Meike"')])


def test_the_worker_names_a_missing_folder(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("NORDLICHT_DATEN", raising=False)
    assert main() == 2
    assert capsys.readouterr().err == "Die Umgebungsvariable NORDLICHT_DATEN fehlt; siehe README.md.\n"


@pytest.mark.parametrize(
    ("hint", "value"),
    [(str, ERASED), (None, ERASED), (Any, ERASED), (type(None), None), (OrderView, OrderView(ERASED))],
)
def test_a_tombstone_becomes_a_placeholder_of_the_wanted_type(hint: Any, value: object) -> None:
    assert ErasablePayloadConverter().from_payloads([tombstone()], [hint]) == [value]


@pytest.mark.parametrize("hint", [int, list[str], Invoice])
def test_a_type_without_a_placeholder_raises(hint: Any) -> None:
    with pytest.raises(RuntimeError):
        ErasablePayloadConverter().from_payloads([tombstone()], [hint])


@pytest.mark.parametrize("value", [ERASED, Parcel.erased(), OrderView.erased()])
def test_the_guard_knows_every_placeholder(value: object) -> None:
    assert is_erased(value)
    assert not is_erased(Parcel("N-1", PERSON))
    assert not is_erased("N-1")


async def test_the_guard_looks_at_every_argument_and_gives_up_at_once() -> None:
    guarded = ErasedGuard().intercept_activity(Mock())
    with pytest.raises(ApplicationError) as error:
        await guarded.execute_activity(ExecuteActivityInput(print, ["N-1", ERASED], None, {}))
    # Sonst wiederholte sich die Activity ohne Ende.
    assert (error.value.type, error.value.non_retryable) == (INPUT_ERASED, True)


def test_anyone_can_read_a_tombstone() -> None:
    assert PayloadConverter.default.from_payloads([tombstone()]) == [ERASED]


# --- Die Löschung -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Erased:
    """Meike hat bestellt, bezahlt und danach die Löschung verlangt."""

    shop: Shop
    folder: Path
    order: Any
    before: Sequence[History]
    after: Sequence[History]
    keys_before: Mapping[str, bytes]
    record: ErasureRecord

    @property
    def key_id(self) -> str:
        return f"{self.shop.office.meike.number}.auftrag"


@pytest.fixture(scope="module")
async def erased(timelapse: Timelapse, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Erased]:
    folder = tmp_path_factory.mktemp("geloescht")
    async with open_office(timelapse, folder) as shop:
        office = shop.office
        order = await office.shipped_order(office.meike, "N-1")
        names = (order.id, f"{order.id}-paket")
        before = [await raw_history(shop.stage.client, name) for name in names]
        keys = office.keys.living()
        record = await office.erase(office.meike)
        after = [await raw_history(shop.stage.client, name) for name in names]
        yield Erased(shop, folder, order, before, after, keys, record)


async def test_nothing_of_the_person_opens_with_any_key(erased: Erased) -> None:
    living = examine(erased.before, [erased.key_id], erased.keys_before)
    assert living.sealed == living.readable > 0
    found = examine(erased.after, [erased.key_id], erased.shop.office.keys.living())
    assert found.sealed >= living.sealed
    assert found.readable == 0
    assert erased.record.proof.histories == 2


async def test_a_paid_order_is_delivered_before_the_key_is_destroyed(erased: Erased) -> None:
    assert erased.record.terminated == 0
    assert (await erased.order.describe()).status is WorkflowExecutionStatus.COMPLETED
    assert erased.shop.office.register.stock() == {"N-1": "verschickt"}


async def test_the_closed_order_of_the_person_still_answers_queries(erased: Erased) -> None:
    assert await erased.order.query(OrderWorkflow.view) == OrderView(ERASED)
    assert await result(erased.order) == OrderView(ERASED)


async def test_the_record_contains_no_personal_data(erased: Erased) -> None:
    office = erased.shop.office
    text = json.dumps([asdict(record) for record in office.register.records()], ensure_ascii=False)
    assert office.meike.number in text
    for secret in (MEIKE.name, MEIKE.email, MEIKE.street, "Frau Groß"):
        assert secret not in text
        assert secret.encode() not in _bytes_in(erased.folder)


async def test_the_erasure_is_a_workflow_of_the_company(erased: Erased) -> None:
    stage, number = erased.shop.stage, erased.shop.office.meike.number
    history = await raw_history(stage.client, f"betrieb/loeschung/{number}")
    used = {payload.metadata["encryption-key-id"] for payload in payloads(history)}
    assert used == {b"betrieb"}
    # Nachzügler sucht sie erst, wenn kein Worker den Schlüssel mehr im Speicher hat.
    [pause] = [event.timer_started_event_attributes for event in history.events if event.event_type == TIMER_STARTED]
    worker = create_worker(stage.client, erased.folder)
    codec = worker.client.data_converter.payload_codec
    assert isinstance(codec, PersonCodec)
    assert pause.start_to_fire_timeout.ToTimedelta() == timedelta(seconds=codec._keys._lifetime) == KEY_LIFETIME
    # Das Protokoll bleibt nach der Löschung lesbar.
    again = stage.client.get_workflow_handle_for(ErasureWorkflow.run, f"betrieb/loeschung/{number}")
    assert (await result(again)).customer == number


async def test_the_invoice_outlives_the_order(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        await office.shipped_order(office.meike, "N-1")
        await office.erase(office.meike)
        invoice = shop.stage.client.get_workflow_handle(f"kunde/{office.meike.number}/rechnung/N-1")
        assert await result(invoice) == "Meike Jürgensen, Möwenweg 3, 25813 Husum: 4990 Cent"
        # Nach Ablauf der Aufbewahrung fällt auch dieser Schlüssel.
        await office.erase(office.meike, purposes=[INVOICE])
        assert await result(invoice) == ERASED


async def test_a_reset_order_of_the_erased_person_fails_without_effect(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office, client = shop.office, shop.stage.client
        order = await office.shipped_order(office.meike, "N-1")
        await office.erase(office.meike)
        request = ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=order.id),
            reason="Test",
            request_id=str(uuid4()),
            workflow_task_finish_event_id=4,
        )
        reset = await client.workflow_service.reset_workflow_execution(request)
        again = client.get_workflow_handle_for(OrderWorkflow.run, order.id, run_id=reset.run_id)
        with pytest.raises(WorkflowFailureError):
            await result(again)
        assert office.register.stock() == {"N-1": "verschickt"}
        record = await office.erase(office.meike)
        assert (record.terminated, record.proof.readable) == (0, 0)


async def test_an_order_after_the_erasure_is_refused(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        await office.erase(office.meike)
        assert not office.register.accepts_orders(office.meike.number)
        with pytest.raises(KeyDestroyedError):
            await office.order(office.meike, "N-1")
        handle = shop.stage.client.get_workflow_handle(f"kunde/{office.meike.number}/auftrag/N-1")
        with pytest.raises(RPCError):
            await handle.describe()


async def test_a_present_for_an_erased_person_is_undeliverable(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        order = await office.order(office.anke, "N-1", replace(LAMP, recipient=office.meike.number))
        await reached(order, "wartet auf Zahlung")
        await office.erase(office.meike)
        await order.signal(OrderWorkflow.pay, Payment("1"))
        assert (await result(order)).state == "nicht zustellbar"


async def test_a_straggler_is_terminated_after_the_key_lifetime(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        # Ein Shop, der den Schlüssel noch im Speicher hat; mit Worker scheiterte der Auftrag schon am Wächter.
        keys = KeyCache(office.keys, 60)
        keys.key(f"{office.meike.number}.auftrag")
        late = with_person_keys(shop.stage.client, keys, strict=True)
        with timelapse.unskipped():
            handle = await office.request(office.meike)
            async with asyncio.timeout(30):
                while not await _destroyed(office.keys, f"{office.meike.number}.auftrag"):
                    await asyncio.sleep(0.02)
            order = await late.start_workflow(
                OrderWorkflow.run,
                LAMP,
                id=f"kunde/{office.meike.number}/auftrag/N-9",
                task_queue=f"{shop.stage.task_queue}-niemand",
            )
        # Wer die Zeit überspringt, muss der Suche des Servers die Sekunden lassen, die sie sonst hätte.
        async with asyncio.timeout(30):
            while not [found async for found in late.list_workflows(f'WorkflowId = "{order.id}"')]:
                await asyncio.sleep(0.02)
        await timelapse.fast_forward(handle, KEY_LIFETIME + timedelta(seconds=5))
        record = await office.recorded(handle)
        assert record.terminated == 1
        assert (await order.describe()).status is WorkflowExecutionStatus.TERMINATED
        assert record.proof.readable == 0


async def _destroyed(keys: KeyStore, key_id: str) -> bool:
    try:
        keys.key(key_id)
    except KeyDestroyedError:
        return True
    return False


async def test_a_cancelled_erasure_is_completed_by_the_next(timelapse: Timelapse, tmp_path: Path) -> None:
    async with open_office(timelapse, tmp_path) as shop:
        office = shop.office
        with timelapse.unskipped():
            first = await office.request(office.meike)
            async with asyncio.timeout(30):
                while not await _destroyed(office.keys, f"{office.meike.number}.auftrag"):
                    await asyncio.sleep(0.02)
            await first.cancel()
            with pytest.raises(WorkflowFailureError):
                await result(first)
        assert office.register.records() == []
        await office.erase(office.meike)
        assert len(office.register.records()) == 1


@pytest.mark.parametrize("customer", ["meike@example.org", f'{PERSON}" OR WorkflowId != "', ""])
def test_only_a_customer_number_can_be_erased(customer: str) -> None:
    with pytest.raises(ValueError, match="Kundennummer"):
        ErasureRequest(customer)


@pytest.mark.parametrize("purposes", [[], ["auftraege"], [ORDER, "auftrag/N-1"]])
def test_only_a_known_purpose_can_be_erased(purposes: list[str]) -> None:
    # Ein Tippfehler vernichtete keinen Schlüssel, und der Nachweis fände null Payloads, also keinen lesbaren.
    with pytest.raises(ValueError, match="Zwecke gibt es nur diese: auftrag, rechnung"):
        ErasureRequest(PERSON, purposes)


def test_a_request_names_every_key_and_no_workflow_of_another_purpose(tmp_path: Path) -> None:
    request = ErasureRequest(PERSON, [ORDER, INVOICE])
    assert request.prefixes == [f"kunde/{PERSON}/auftrag/", f"kunde/{PERSON}/rechnung/"]
    store, later = _store(tmp_path), "2027-01-01T00:00:00+00:00"
    store.destroy(KEY_ID, AT)
    # Vollständig gelöscht ist die Person erst mit dem letzten Schlüssel.
    order = Destruction(PERSON, request.key_ids, later)
    assert ErasureActivities(tmp_path, Mock()).destroy_keys(order) == later
    with pytest.raises(KeyDestroyedError):
        store.create(f"{PERSON}.rechnung")


async def test_what_still_runs_or_opens_stops_the_erasure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def running(query: str) -> AsyncIterator[Mock]:
        yield Mock(id=ORDER_ID, run_id="r")

    async def fails(reason: str) -> None:
        raise RPCError("Server weg", RPCStatusCode.UNAVAILABLE, b"")

    async def fetch_history() -> History:
        return History()

    handle = Mock(terminate=fails, fetch_history=fetch_history)
    client = Mock(list_workflows=running, get_workflow_handle=Mock(return_value=handle))
    activities = ErasureActivities(tmp_path, client)
    with pytest.raises(RPCError):
        await ActivityEnvironment().run(activities.terminate_running, ErasureRequest(PERSON))
    monkeypatch.setattr("kapitel16.recht_auf_loeschung.activities.examine", lambda *_: Proof(1, 2, 1))
    with pytest.raises(ApplicationError, match="Noch lesbar: 1 Payloads"):
        await ActivityEnvironment().run(activities.prove_erasure, ErasureRequest(PERSON))


async def test_one_order_looks_up_each_key_once(timelapse: Timelapse, tmp_path: Path) -> None:
    stage = new_stage(timelapse, tmp_path)
    office = Office(stage)
    keys = KeyCache(office.keys, 600)
    async with create_worker(stage.worker_client(), tmp_path, task_queue=stage.task_queue, keys=keys):
        await office.shipped_order(office.meike, "N-1")
        await office.shipped_order(office.meike, "N-2")
    # Auftrag und Rechnung; der zweite Auftrag fragt nicht mehr.
    assert keys.lookups == 2


def test_payloads_are_found_wherever_they_are() -> None:
    one = Payload(data=b"1")
    cause = Failure(application_failure_info=ApplicationFailureInfo(details=Payloads(payloads=[one])))
    event = HistoryEvent(
        workflow_execution_started_event_attributes=WorkflowExecutionStartedEventAttributes(
            input=Payloads(payloads=[one, one]),
            memo=Memo(fields={"kunde": one}),
            header=Header(fields={"kopf": one}),
            continued_failure=Failure(encoded_attributes=one, cause=cause),
        )
    )
    assert len(list(payloads(event))) == 6


async def test_a_key_per_person_adds_162_bytes_to_every_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "ROUNDS", 1)
    values = dict(await measure.measure(tmp_path))
    assert values["Aufschlag je Payload"] == "162 Bytes"
    assert len(values) == 6
