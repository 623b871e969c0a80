"""Muster, Szenarien, Bühne und Aufzeichnung."""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Worker

from dauerlauf import scenario as scenario_module
from dauerlauf.errors import DauerlaufError
from dauerlauf.recorder import record
from dauerlauf.scenario import Pattern, Stage, ensure_search_attributes, find_pattern, patterns, play
from dauerlauf.server import EmbeddedServer
from dauerlauf.timelapse import Timelapse
from werkbank.zeitraffer_beispiele import HoursWorkflow, SignalWorkflow


def sample() -> Pattern:
    pattern = Pattern(
        "muster", chapter=99, title="Muster", problem="Keines.", workflows=[HoursWorkflow, SignalWorkflow]
    )

    @pattern.scenario("stunden", "Zwei Stunden vergehen.")
    async def hours(stage: Stage) -> None:
        async with Worker(stage.worker_client(), task_queue=stage.task_queue, workflows=[HoursWorkflow]):
            handle = await stage.start(HoursWorkflow.run, 2, id="stunden")
            await handle.result()
        (stage.folder / "spur").write_text("da")
        stage.note("Zwei Stunden sind um.")

    @pattern.scenario("wartet", "Der Workflow läuft am Ende noch.")
    async def waiting(stage: Stage) -> None:
        await stage.start(SignalWorkflow.run, None, id="wartet")

    @pattern.scenario("leer", "Es startet nichts.")
    async def empty(stage: Stage) -> None:
        stage.note("nichts")

    return pattern


async def test_play_gibt_den_lauf_zurueck(timelapse: Timelapse, tmp_path: Path) -> None:
    run = await play(sample().find("stunden"), timelapse, folder=tmp_path)
    assert (run.status, list(run.notes)) == ("COMPLETED", ["Zwei Stunden sind um."])
    assert (tmp_path / "spur").read_text() == "da"
    assert run.history.workflow_id == "stunden"


async def test_ein_szenario_zeigt_statt_der_gespeicherten_eine_gelesene_history(timelapse: Timelapse) -> None:
    pattern = sample()

    @pattern.scenario("gelesen", "Nur das erste Event ist zu sehen.")
    async def seen(stage: Stage) -> None:
        handle = await stage.start(SignalWorkflow.run, None, id="gelesen")
        stored = await handle.fetch_history()
        stage.show(WorkflowHistory(stored.workflow_id, stored.events[:1]))

    run = await play(pattern.find("gelesen"), timelapse)
    assert [event.event_id for event in run.history.events] == [1]


async def test_play_beendet_was_noch_laeuft(timelapse: Timelapse) -> None:
    run = await play(sample().find("wartet"), timelapse)
    assert run.status == "RUNNING"
    assert "TERMINATED" not in run.history.to_json()
    description = await timelapse.client.get_workflow_handle("wartet").describe()
    assert description.status is not None
    assert description.status.name == "TERMINATED"


def test_ein_szenario_nennt_andere_klassen_als_sein_muster() -> None:
    pattern = sample()

    @pattern.scenario("alter-stand", "So war der Code früher.", workflows=[SignalWorkflow])
    async def old(stage: Stage) -> None:
        stage.note("nichts")

    assert pattern.find("stunden").workflows == (HoursWorkflow, SignalWorkflow)
    assert pattern.find("alter-stand").workflows == (SignalWorkflow,)


async def test_play_braucht_einen_workflow(timelapse: Timelapse) -> None:
    with pytest.raises(DauerlaufError, match="„leer“ hat keinen Workflow gestartet"):
        await play(sample().find("leer"), timelapse)


async def test_play_hat_eine_frist(timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch) -> None:
    pattern = sample()

    @pattern.scenario("ewig", "Es endet nie.")
    async def forever(stage: Stage) -> None:
        handle = await stage.start(SignalWorkflow.run, None, id="ewig")
        await handle.result()

    monkeypatch.setattr(scenario_module, "TIME_LIMIT", 0.2)
    with pytest.raises(DauerlaufError, match="„ewig“ ist nach 0 s nicht zu Ende. Kein Worker nimmt den Workflow-Task"):
        await play(pattern.find("ewig"), timelapse)
    description = await timelapse.client.get_workflow_handle("ewig").describe()
    assert description.status is not None
    assert description.status.name == "TERMINATED"


async def test_aufzeichnung_ist_von_lauf_zu_lauf_gleich(
    timelapse: Timelapse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Pattern, "folder", tmp_path)
    hours = sample().find("stunden")
    first = await record(hours, timelapse)
    assert first.changed
    first.write()
    second = await record(hours, timelapse)
    assert not second.changed
    first.file.write_text(first.text.replace("HoursWorkflow", "Verändert"))
    assert (await record(hours, timelapse)).changed


async def test_suchattribute_werden_angelegt() -> None:
    async with await EmbeddedServer.start() as server:
        client = await server.connect()
        await ensure_search_attributes(client, {"MusterStand": "Keyword"})
        await ensure_search_attributes(client, {"MusterStand": "Keyword"})
        too_many = {f"Zuviel{number}": "Keyword" for number in range(50)}
        with pytest.raises(DauerlaufError, match="temporal operator search-attribute create --name Zuviel0 --type Key"):
            await ensure_search_attributes(client, too_many)


def test_muster_werden_gefunden() -> None:
    assert {"hallo", "absturz_und_weiter", "saga"} <= set(patterns())
    assert find_pattern("absturz-und-weiter").name == "absturz_und_weiter"
    assert [p.chapter for p in patterns().values()] == sorted(p.chapter for p in patterns().values())
    assert find_pattern("saga").folder.name == "saga"
    with pytest.raises(DauerlaufError, match="„gibtsnicht“ gibt es nicht"):
        find_pattern("gibtsnicht")
