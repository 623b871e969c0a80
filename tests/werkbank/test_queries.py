"""Queries: mitschreiben, neben der History ablegen, als Schritte lesen."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowQueryFailedError
from temporalio.worker import Worker

from dauerlauf import testing
from dauerlauf.errors import DauerlaufError
from dauerlauf.history import StepKind, dump, load, load_queries, queries_file, steps
from dauerlauf.recorder import orphans, record
from dauerlauf.scenario import Pattern, Stage, find_pattern
from dauerlauf.timelapse import Timelapse
from werkbank.verlauf_workflows import ACTIVITIES, Desk, Letter


@pytest.fixture
def pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pattern:
    found = Pattern("tisch", chapter=99, title="Tisch", problem="Keines.", workflows=[Desk])
    monkeypatch.setattr(Pattern, "folder", tmp_path)

    @found.scenario("gefragt", "Jemand fragt, entscheidet und fragt noch einmal.")
    async def asked(stage: Stage) -> None:
        # Eine Maschine unter Last soll kein Event mehr erzeugen; sonst gilt der Worker nach 1 s als verloren.
        client = stage.worker_client(sticky=timedelta(seconds=20))
        async with Worker(client, task_queue=stage.task_queue, workflows=[Desk, Letter], activities=ACTIVITIES):
            other = await stage.client.start_workflow(Letter.run, 1, id="anderer", task_queue=stage.task_queue)
            with stage.timelapse.unskipped() if stage.timelapse else pytest.fail("ohne Zeitraffer"):
                handle = await stage.start(Desk.run, 0, id="tisch")
            await testing.result(other)
            for _ in range(3):
                assert (await handle.query(Desk.decided, "Anke")).endswith("False")
            with pytest.raises(WorkflowQueryFailedError):
                await handle.query(Desk.decided, "")
            await handle.query("__stack_trace")
            await handle.signal(Desk.decide, "Anke")
            await handle.result()
            assert (await handle.query(Desk.decided, "Anke")).endswith("True")

    @found.scenario("still", "Niemand fragt.")
    async def silent(stage: Stage) -> None:
        async with Worker(stage.worker_client(), task_queue=stage.task_queue, workflows=[Letter]):
            await (await stage.start(Letter.run, 1, id="still")).result()

    return found


async def test_queries_stehen_neben_der_history(timelapse: Timelapse, pattern: Pattern) -> None:
    first = await record(pattern.find("gefragt"), timelapse)
    first.write()
    queries = load_queries(first.file)
    history = load(first.file)
    found = steps(history, queries=queries)
    told = [(step.title, step.detail) for step in found if step.kind is StepKind.QUERY]
    run = "00000000-0000-4000-8000-000000000001"
    assert run in dump(history)
    assert told == [
        ("Query decided", f"„Anke“ → „{run}: False“"),
        ("Query decided gescheitert", "„“ Wer?"),
        ("Query decided", f"„Anke“ → „{run}: True“"),
    ]
    kinds = [step.kind for step in found if not step.internal]
    assert kinds == [
        *(StepKind.STARTED, StepKind.TIMER_STARTED, StepKind.QUERY, StepKind.QUERY),
        *(StepKind.SIGNAL, StepKind.TIMER_CANCELED, StepKind.COMPLETED, StepKind.QUERY),
    ]
    assert found[-1].number == len(history.events) == len(steps(history))
    # Von Lauf zu Lauf gleich, und jede Änderung fällt auf.
    assert not (await record(pattern.find("gefragt"), timelapse)).changed
    sidecar = queries_file(first.file)
    sidecar.write_text(sidecar.read_text().replace("decided", "entschieden"))
    assert (await record(pattern.find("gefragt"), timelapse)).changed
    sidecar.unlink()
    assert (await record(pattern.find("gefragt"), timelapse)).changed


async def test_ohne_queries_keine_datei(timelapse: Timelapse, pattern: Pattern) -> None:
    first = await record(pattern.find("still"), timelapse)
    first.write()
    assert [file.name for file in pattern.histories.iterdir()] == ["still.json"]
    queries_file(first.file).write_text('{"queries": [{"event": 1, "request": {}, "result": {}}]}')
    again = await record(pattern.find("still"), timelapse)
    assert again.changed
    again.write()
    assert [file.name for file in pattern.histories.iterdir()] == ["still.json"]


async def test_replay_und_aufraeumen_halten_queries_nicht_fuer_histories(
    timelapse: Timelapse, pattern: Pattern
) -> None:
    (await record(pattern.find("gefragt"), timelapse)).write()
    assert await testing.replay(pattern.histories, workflows=[Desk]) == 1
    assert orphans([pattern]) == []
    file = pattern.histories / "weg.queries.json"
    file.write_text("{}")
    assert orphans([pattern]) == [file]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"queries": [{}]}', '{"queries": [{"event": 1, "request": 5}]}'])
def test_eine_kaputte_datei_wird_gemeldet(tmp_path: Path, content: str) -> None:
    (tmp_path / "lauf.queries.json").write_text(content)
    with pytest.raises(DauerlaufError, match="keine aufgezeichneten Queries"):
        load_queries(tmp_path / "lauf.json")


def test_jede_aufgezeichnete_query_steht_vor_dem_naechsten_event() -> None:
    saga = find_pattern("saga")
    file = saga.history_file("kompensation-repariert")
    queries = load_queries(file)
    found = steps(load(file), queries=queries)
    assert len(queries) == 1
    (place,) = (index for index, step in enumerate(found) if step.kind is StepKind.QUERY)
    assert found[place - 1].number == found[place].number == queries[0].event
    assert found[place + 1].number == queries[0].event + 1
    assert "warte" in found[place].detail
