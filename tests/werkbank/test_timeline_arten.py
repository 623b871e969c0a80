"""Jede Art von Ereignis im Bild, an echten Läufen: Child Workflows, Nachrichten, Abbrüche, Nähte, Nexus, Queries."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import timedelta

import pytest
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import WorkflowHistory, WorkflowUpdateFailedError
from temporalio.worker import Worker

from dauerlauf.history import Step, StepKind, load, load_queries, normalise, steps
from dauerlauf.scenario import find_pattern
from dauerlauf.timelapse import Timelapse, result
from dauerlauf.timeline import Look, Row, html, rows, svg
from werkbank.verlauf_workflows import ACTIVITIES, WORKFLOWS, Desk, Hub, Mailing, Postage

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="session")
async def played(timelapse: Timelapse) -> dict[str, list[Step]]:
    """Ein Lauf, der mit anderen spricht, seine Fortsetzung, sein Child Workflow, sein Gegenüber, ein Nexus-Aufruf."""
    queue = timelapse.task_queue()
    throttle = timedelta(milliseconds=50)
    client = timelapse.client_for("worker-1", sticky=timedelta(seconds=20), max_heartbeat_throttle_interval=throttle)
    target = EndpointTarget(worker=EndpointTarget.Worker(namespace=client.namespace, task_queue=queue))
    endpoint = f"porto-{queue[3:]}"
    request = CreateNexusEndpointRequest(spec=EndpointSpec(name=endpoint, target=target))
    await client.operator_service.create_nexus_endpoint(request)
    hub = f"zentrale-{queue}"
    async with Worker(
        client, task_queue=queue, workflows=WORKFLOWS, activities=ACTIVITIES, nexus_service_handlers=[Postage()]
    ):
        with timelapse.unskipped():
            desk = await timelapse.client.start_workflow(Desk.run, 0, id=f"{hub}-tisch", task_queue=queue)
        handle = await timelapse.client.start_workflow(Hub.run, 1, id=hub, task_queue=queue)
        mailing = await timelapse.client.start_workflow(Mailing.run, endpoint, id=f"{hub}-post", task_queue=queue)
        await result(handle, 30)
        await result(mailing, 30)
    runs = {
        "zentrale": timelapse.client.get_workflow_handle(hub, run_id=handle.first_execution_run_id),
        "fortsetzung": timelapse.client.get_workflow_handle(hub),
        "brief": timelapse.client.get_workflow_handle(f"{hub}-brief"),
        "tisch": desk,
        "post": mailing,
    }
    return {name: steps(normalise(await run.fetch_history())) for name, run in runs.items()}


def told(found: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Spur, Zeichen und Teil jeder Zeile."""
    return [(row.lane, row.look.name, row.part) for row in found]


def one(found: Sequence[Row], title: str, part: str = "whole") -> Row:
    (row,) = (row for row in found if row.title.startswith(title) and row.part == part)
    return row


def marks(run: Sequence[Step], title: str, part: str = "whole", *, wide: bool = True) -> str:
    """Was das Bild zu einer Zeile zeichnet, ohne ihren Text."""
    found = rows(run)
    root = ET.fromstring(svg(run, title="Lauf", wide=wide))
    groups = root.findall(f"{SVG}g[@data-zeile='{found.index(one(found, title, part))}']")
    return "".join(ET.tostring(group, encoding="unicode") for group in groups)


def headings(run: Sequence[Step], *, wide: bool = True) -> list[str]:
    root = ET.fromstring(svg(run, title="Lauf", wide=wide))
    return [text.text or "" for text in root.findall(f"{SVG}text")]


@pytest.mark.parametrize("name", ["zentrale", "fortsetzung", "brief", "tisch", "post"])
def test_jede_zeile_steht_im_bild_und_in_der_tabelle(played: dict[str, list[Step]], name: str) -> None:
    run = played[name]
    found = rows(run)
    for wide in (False, True):
        root = ET.fromstring(svg(run, title="Lauf", wide=wide))
        shown = {int(group.get("data-zeile") or -1) for group in root.iter(f"{SVG}g") if group.get("data-zeile")}
        assert shown == set(range(len(found)))
    table = ET.fromstring(html(run, title="Lauf"))
    assert len(list(table.iter("tr"))) == len(found) + 1


def test_child_workflows_beginnen_enden_und_werden_abgebrochen(played: dict[str, list[Step]]) -> None:
    found = rows(played["zentrale"])
    whole = one(found, "Child Workflow Letter")
    assert (whole.lane, whole.track, whole.detail, len(whole.events)) == ("child", "Letter", "→ 2", 3)
    begin, cancel, end = (
        one(found, "Child Workflow Shelf", "begin"),
        one(found, "Abbruch verlangt", "during"),
        one(found, "Child Workflow Shelf", "end"),
    )
    assert {row.operation for row in (begin, cancel, end)} == {begin.operation}
    assert (cancel.lane, end.canceled, end.failed) == ("child", True, False)
    assert headings(played["zentrale"])[-2:] == ["Letter", "Shelf"]
    assert headings(played["zentrale"], wide=False)[-1] == "Child Workflows"


def test_ein_abbruch_trifft_die_laufende_activity(played: dict[str, list[Step]]) -> None:
    found = rows(played["zentrale"])
    asked, end = one(found, "watch soll abbrechen", "during"), one(found, "watch", "end")
    assert (asked.lane, asked.look, asked.operation) == ("activity", Look.CANCEL_REQUEST, end.operation)
    assert (end.canceled, end.failed, end.detail) == (True, False, "abgebrochen")
    table = html(played["zentrale"], title="Lauf")
    assert "<td>⊘ watch</td><td>abgebrochen</td>" in table
    # Der Pfeil führt vom Workflow zur Activity, nicht zurück.
    assert arrow(marks(played["zentrale"], "watch soll abbrechen", "during")) == "hin"
    assert arrow(marks(played["zentrale"], "watch", "end")) == "zurück"


def arrow(text: str) -> str:
    """Wohin der erste Pfeil zeigt: zu größeren Werten von x (hin) oder kleineren (zurück)."""
    match = re.search(r'd="M([\d.]+) [\d.]+H([\d.]+)m', text)
    assert match is not None
    return "hin" if float(match[2]) > float(match[1]) else "zurück"


def test_ein_timer_wird_geloescht(played: dict[str, list[Step]]) -> None:
    found = rows(played["zentrale"])
    end = one(found, "Timer gelöscht", "end")
    assert (end.lane, end.canceled) == ("timer", True)
    assert "Timer" in headings(played["zentrale"])
    assert "Timer" not in headings(played["zentrale"], wide=False)


def test_nachrichten_an_andere_workflows_haben_eine_richtung(played: dict[str, list[Step]]) -> None:
    found = rows(played["zentrale"])
    sent = one(found, "Signal decide an")
    assert (sent.lane, sent.direction, len(sent.events)) == ("external", "out", 2)
    lost, answer = one(found, "Abbruch verlangt: gibt-es-nicht"), one(found, "Abbruch nicht zustellbar")
    assert (lost.direction, answer.direction, answer.failed) == ("out", "in", True)
    assert answer.detail == "diesen Workflow gibt es nicht"
    assert arrow(marks(played["zentrale"], "Signal decide an")) == "zurück"
    arrived = one(rows(played["tisch"]), "Signal decide")
    assert (arrived.lane, arrived.direction) == ("external", "in")
    assert arrow(marks(played["tisch"], "Signal decide")) == "hin"
    assert "Andere Workflows" in " ".join(headings(played["tisch"]))


def test_ein_child_workflow_hat_keinen_client(played: dict[str, list[Step]]) -> None:
    start = rows(played["brief"])[0]
    assert (start.lane, start.look, start.direction) == ("external", Look.START, "in")
    assert told(rows(played["brief"]))[1:] == [("timer", "TIMER", "whole"), ("workflow", "DONE", "whole")]


def test_continue_as_new_ist_eine_naht_an_beiden_enden(played: dict[str, list[Step]]) -> None:
    last, first = rows(played["zentrale"])[-1], rows(played["fortsetzung"])[0]
    assert (last.look, first.look, first.lane) == (Look.RENEWED, Look.CONTINUED, "workflow")
    assert (first.title, first.detail) == ("Workflow Hub läuft weiter", "nach Continue-As-New; 0")
    for run, title in ((played["zentrale"], "Continue-As-New"), (played["fortsetzung"], "Workflow Hub")):
        assert "l5 -4l5 4" in marks(run, title)
    assert "l5 -4l5 4" not in svg(played["tisch"], title="Lauf", wide=True)


def test_nexus_operationen_haben_ihre_spur(played: dict[str, list[Step]]) -> None:
    good, bad = (row for row in rows(played["post"]) if row.lane == "nexus")
    assert (good.failed, good.detail, bad.failed) == (False, "→ 500", True)
    assert "zu schwer" in bad.detail
    assert headings(played["post"])[-1].startswith("Porto.")


async def test_updates_fragen_und_antworten(timelapse: Timelapse) -> None:
    queue = timelapse.task_queue()
    async with Worker(timelapse.client_for("worker-1"), task_queue=queue, workflows=[Desk], activities=ACTIVITIES):
        with timelapse.unskipped():
            handle = await timelapse.client.start_workflow(Desk.run, 0, id=f"update-{queue}", task_queue=queue)
        assert await handle.execute_update(Desk.amount, 1999) == 1999
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(Desk.amount, -1)
        await handle.signal(Desk.decide, "Büro")
        await result(handle)
    run = steps(normalise(await handle.fetch_history()))
    asked, answered = one(rows(run), "Update amount", "begin"), one(rows(run), "Update amount", "end")
    assert (asked.direction, answered.direction) == ("in", "out")
    assert arrow(marks(run, "Update amount", "begin")) == "hin"
    assert arrow(marks(run, "Update amount", "end")) == "zurück"
    # Was der Validator ablehnt, hinterlässt kein Event; die Historie weiß nichts davon.
    assert not [step for step in run if step.kind is StepKind.UPDATE_REJECTED]


def test_ein_abgelehntes_update_ist_rot() -> None:
    """Der Server schreibt dieses Event nicht; andere Quellen kennen es."""
    run = [
        Step(1, StepKind.STARTED, "x", timedelta(0), actor="client", title="Start"),
        Step(2, StepKind.UPDATE_REJECTED, "x", timedelta(0), "workflow", "Update a abgelehnt", "zu teuer", failure="z"),
    ]
    row = rows(run)[1]
    assert (row.lane, row.direction, row.failed) == ("client", "both", True)
    assert "dl-bad" in marks(run, "Update a")


@pytest.mark.parametrize("wide", [False, True])
def test_eine_query_fragt_und_bekommt_antwort(wide: bool) -> None:
    saga = find_pattern("saga")
    file = saga.history_file("kompensation-repariert")
    run = steps(load(file), queries=load_queries(file))
    row = one(rows(run, saga.legend), "Query progress")
    assert (row.lane, row.look, row.direction, row.events) == ("client", Look.QUERY, "both", ())
    text = marks(run, "Query progress", wide=wide)
    assert len(re.findall(r"H[\d.]+m-?4 -3\.5", text)) == 2
    assert "Query progress" in html(run, saga.legend, title="Lauf")


def recorded(pattern: str, scenario: str) -> WorkflowHistory:
    return load(find_pattern(pattern).history_file(scenario))


def test_die_anfaenge_der_versuche_stehen_an_der_uhr() -> None:
    """Zwei Pausen, 10 und 20 Minuten: Der dritte Versuch beginnt nach 30."""
    run = attempts_at([0, 10, 30])
    row = next(row for row in rows(run) if row.attempts > 1)
    assert [start.total_seconds() / 60 for start in row.starts] == [0, 10, 30]
    assert "3 Versuche ↺ (0 s, +10 min, +30 min)" in html(run, title="Lauf")
    early, late = segments(attempts_at([0, 5, 30])), segments(attempts_at([0, 25, 30]))
    assert len(early) == len(late) == 3
    assert early[0] < late[0]
    assert early[2] == late[2]


def attempts_at(minutes: Sequence[int]) -> list[Step]:
    starts = tuple(timedelta(minutes=minute) for minute in minutes)
    number = len(minutes)
    return [
        Step(1, StepKind.STARTED, "x", timedelta(0), actor="client", title="Start"),
        Step(2, StepKind.ACTIVITY_SCHEDULED, "x", timedelta(0), "workflow", "ship beauftragt", name="ship"),
        Step(
            *(3, StepKind.ACTIVITY_STARTED, "x", starts[-1], "ship", "ship gestartet"),
            name="ship",
            attempt=number,
            caused_by=2,
            attempts=starts,
        ),
        Step(
            *(4, StepKind.ACTIVITY_COMPLETED, "x", starts[-1], "ship", "ship erledigt"),
            name="ship",
            attempt=number,
            caused_by=2,
        ),
    ]


def segments(run: Sequence[Step]) -> list[float]:
    """Höhen der Abschnitte des Balkens, von oben nach unten."""
    text = marks(run, "ship", "begin")
    return [float(height) for height in re.findall(r'width="12" height="([\d.]+)"', text)]


def test_viele_versuche_werden_gezaehlt() -> None:
    run = attempts_at([minute * 10 for minute in range(37)])
    assert "37 Versuche" in svg(run, title="Lauf")
    assert "37 Versuche ↺ (0 s, +10 min, +20 min, +30 min, …, +6 h)" in html(run, title="Lauf")
    assert len(segments(run)) < 10


@pytest.mark.parametrize(
    ("pattern", "scenario", "known"),
    # In „dienst-faellt-aus“ scheitern die Versuche sofort; in „worker-stirbt“ dauert schon der erste.
    [("saga", "dienst-faellt-aus", True), ("saga", "worker-stirbt", False)],
)
def test_zeiten_nur_wenn_die_retry_policy_sie_hergibt(pattern: str, scenario: str, known: bool) -> None:
    found = [row for row in rows(steps(recorded(pattern, scenario))) if row.attempts > 1]
    assert found
    assert {bool(row.starts) for row in found} == {known}
