"""Benannte Läufe des Musters: scheitern, parken, ablegen – und was danach gilt."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext, redirect_stdout
from datetime import timedelta
from typing import Any

from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel07.dead_letter_queue import operate
from kapitel07.dead_letter_queue.audit import audit
from kapitel07.dead_letter_queue.batch import ImportWorkflow, RedriveWorkflow
from kapitel07.dead_letter_queue.failing import FailingReturnWorkflow
from kapitel07.dead_letter_queue.files import (
    IBAN,
    UNKNOWN_SALE,
    UNREADABLE_AMOUNT,
    WRONG_IBAN,
    mixed,
    open_books,
    row,
    write_file,
)
from kapitel07.dead_letter_queue.ledger import RefundLedger
from kapitel07.dead_letter_queue.letters import LetterTable
from kapitel07.dead_letter_queue.models import (
    Discard,
    ImportFile,
    ImportResult,
    ParkingOptions,
    ProcessReturn,
    Redrive,
    Retry,
    ReturnRow,
    ReturnView,
    Selection,
    State,
)
from kapitel07.dead_letter_queue.worker import create_worker
from kapitel07.dead_letter_queue.workflow import ReturnWorkflow

PATTERN = Pattern(
    "dead_letter_queue",
    chapter=7,
    title="Dead Letter Queue",
    problem="Ein paar kaputte Posten dürfen tausend gute nicht aufhalten – und nicht "
    "verloren gehen.",
    workflows=[FailingReturnWorkflow, ReturnWorkflow, ImportWorkflow, RedriveWorkflow],
    legend=Legend(
        services={
            "book_return": "Erstattungsbuch",
            "hold_return": "Erstattungsbuch",
            "put_letter": "Tabelle",
            "record_discard": "Tabelle",
            "select_letters": "Tabelle",
            "redrive_letter": "Tabelle",
            "give_back_letter": "Tabelle",
            "send_reminder": "Postausgang",
            "read_rows": "Datei",
        },
    ),
    search_attributes={"DeadLetter": "Keyword"},
)

TIME_LIMIT = 40.0
WORKER = "kapitel07.dead_letter_queue.worker:create_worker"
ANKE = "Anke Petersen"

Handle = WorkflowHandle[ReturnWorkflow, ReturnView]


@asynccontextmanager
async def open_office(
    stage: Stage, *rows: ReturnRow, plan: FaultPlan | None = None
) -> AsyncIterator[None]:
    """Legt das Buch an und startet einen Worker, dem `plan` zustößt."""
    open_books(stage.folder, rows)
    plugins = [FaultInjector(plan)] if plan else []
    client = stage.worker_client("worker-1", plugins=plugins)
    async with create_worker(client, stage.folder, task_queue=stage.task_queue):
        yield


async def process(stage: Stage, item: ReturnRow, **options: Any) -> Handle:
    """Startet einen Posten; seine Uhr springt nicht von selbst."""
    arg = ProcessReturn(item, ParkingOptions(**options))
    with stage.timelapse.unskipped() if stage.timelapse else nullcontext():
        return await stage.start(ReturnWorkflow.run, arg, id=f"retoure-{item.number}")


async def parked(handle: Handle) -> ReturnView:
    """Wartet, bis der Posten parkt oder eskaliert ist."""
    while (view := await handle.query(ReturnWorkflow.progress)).state not in (
        State.PARKED,
        State.ESCALATED,
    ):
        await asyncio.sleep(0.02)
    return view


async def close(stage: Stage, handle: Handle, *rows: ReturnRow) -> None:
    """Wartet auf das Ende und lässt die Revision sprechen."""
    try:
        ended: ReturnView = await result(handle, TIME_LIMIT)
        stage.note(f"Ergebnis: {ended.state} in Runde {ended.round}")
    except WorkflowFailureError:
        stage.note("Der Workflow wurde abgebrochen.")
    stage.note(f"Revision: {audit(stage.folder, rows).describe()}")


def at(activity: str, action: ActivityAction, *attempts: int) -> FaultPlan:
    """Ein Störplan mit einer einzigen Störung."""
    return FaultPlan((ActivityFault(activity, action, attempts=attempts or (1,)),))


async def command(stage: Stage, *words: str) -> None:
    """Ruft den Befehl des Betriebs auf und hält fest, was er druckt."""
    table = LetterTable(stage.folder)
    with redirect_stdout(io.StringIO()) as printed:
        await operate.execute(operate.build_parser().parse_args(words), table)
    table.close()
    stage.note(f"$ operate {' '.join(words)}")
    for line in printed.getvalue().splitlines():
        stage.note(line)


@PATTERN.scenario("glatt", "Die Zeile stimmt, die Erstattung geht hinaus.")
async def smooth(stage: Stage) -> None:
    """Der gute Fall kostet nichts extra."""
    item = row("R-1001")
    async with open_office(stage, item):
        await close(stage, await process(stage, item), item)


@PATTERN.scenario(
    "geparkt-und-berichtigt",
    "Der Betrag ist unlesbar; ein Mensch berichtigt ihn, und der Posten gelingt.",
)
async def parked_and_corrected(stage: Stage) -> None:
    """Form 2: Update `retry_with` mit geänderten Feldern."""
    item = row("R-1002", **UNREADABLE_AMOUNT)
    async with open_office(stage, item):
        handle = await process(stage, item)
        stage.note(f"Geparkt: {(await parked(handle)).error}")
        view = await handle.execute_update(
            ReturnWorkflow.retry_with, Retry(ANKE, {"amount": "49,90"})
        )
        stage.note(f"Antwort auf das Update: {view.state}, {view.reference}")
        await close(stage, handle, item)


@PATTERN.scenario(
    "noch-einmal-daneben",
    "Die erste Berichtigung hilft nicht, die zweite schon.",
)
async def missed_again(stage: Stage) -> None:
    """Eine Berichtigung, die nie helfen kann, weist schon der Validator ab."""
    item = row("R-1003", **UNKNOWN_SALE)
    async with open_office(stage, item, row("R-1004")):
        handle = await process(stage, item)
        await parked(handle)
        try:
            await handle.execute_update(
                ReturnWorkflow.retry_with, Retry(ANKE, {"amount": "umsonst"})
            )
        except WorkflowUpdateFailedError as error:
            stage.note(f"Abgelehnt: {error.cause}")
        for order in ("N-1030", "N-1004"):
            view = await handle.execute_update(
                ReturnWorkflow.retry_with, Retry(ANKE, {"order": order})
            )
            stage.note(f"Mit Auftrag {order}: {view.state}")
        await close(stage, handle, item)


@PATTERN.scenario(
    "verworfen", "Die Ware kam nie an; ein Mensch verwirft den Posten mit Begründung."
)
async def discarded(stage: Stage) -> None:
    """Form 2: Update `discard`."""
    item = row("R-1005", **WRONG_IBAN)
    async with open_office(stage, item):
        handle = await process(stage, item)
        await parked(handle)
        await handle.execute_update(
            ReturnWorkflow.discard, Discard(ANKE, "Ware nie eingetroffen")
        )
        await close(stage, handle, item)
    await command(stage, "liste")


@PATTERN.scenario(
    "erinnert-und-eskaliert",
    "Niemand entscheidet: Erinnerung nach 1 und 3 Tagen, Eskalation nach 7.",
)
async def escalated(stage: Stage) -> None:
    """Ein geparkter Posten, den niemand sieht, ist verloren."""
    item = row("R-1006", **WRONG_IBAN)
    async with open_office(stage, item):
        day = 86_400 if stage.timelapse else 1
        handle = await process(stage, item, first_reminder=day)
        await parked(handle)
        if stage.timelapse:
            await stage.timelapse.fast_forward(handle, timedelta(days=7, hours=1))
        while (await parked(handle)).state != State.ESCALATED:
            await asyncio.sleep(0.05)
        table = LetterTable(stage.folder)
        while len(table.mails()) < 3:
            await asyncio.sleep(0.05)
        for mail in table.mails():
            stage.note(f"Mail an {mail.recipient}: {mail.text}")
        table.close()
        await handle.execute_update(
            ReturnWorkflow.retry_with, Retry("Momme Thiesen", {"iban": IBAN})
        )
        await close(stage, handle, item)


@PATTERN.scenario(
    "doch-gebucht",
    "Gebucht, aber alle fünf Meldungen gehen verloren: geparkt wird nicht.",
)
async def booked_after_all(stage: Stage) -> None:
    """Gescheitert heißt nicht: ohne Wirkung. Erst `hold` gibt Gewissheit."""
    item = row("R-1007")
    plan = at("book_return", ActivityAction.FAIL_AFTER, 1, 2, 3, 4, 5)
    async with open_office(stage, item, plan=plan):
        arg = ProcessReturn(item)
        handle = await stage.start(ReturnWorkflow.run, arg, id="retoure-R-1007")
        await close(stage, handle, item)


@PATTERN.scenario(
    "abbruch-beim-warten",
    "Jemand bricht den wartenden Workflow ab; der Posten liegt danach in der Tabelle.",
)
async def cancelled_while_parked(stage: Stage) -> None:
    """Der Workflow darf enden, der Posten nicht verschwinden."""
    item = row("R-1008", **UNREADABLE_AMOUNT)
    async with open_office(stage, item):
        handle = await process(stage, item)
        await parked(handle)
        await handle.cancel()
        await close(stage, handle, item)
    await command(stage, "liste")


@PATTERN.scenario(
    "worker-stirbt",
    "Der Worker stirbt nach der berichtigten Buchung, ein anderer übernimmt.",
)
async def worker_dies(stage: Stage) -> None:
    """Die Buchung wirkte, niemand hat es gemeldet; sie wirkt kein zweites Mal."""
    item = row("R-1009", **UNREADABLE_AMOUNT)
    open_books(stage.folder, [item])
    plan = FaultPlan(
        (ActivityFault("book_return", ActivityAction.KILL_AFTER, occurrence=2),)
    )
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    async with await WorkerProcess.start(
        WORKER, stage.client, arguments=arguments, plan=plan
    ) as first:
        handle = await process(stage, item, attempt_timeout=2)
        await parked(handle)
        await handle.start_update(
            ReturnWorkflow.retry_with,
            Retry(ANKE, {"amount": "49,90"}),
            wait_for_stage=WorkflowUpdateStage.ACCEPTED,
        )
        stage.note(f"worker-1: Prozess beendet mit Code {await first.died()} (SIGKILL)")
    async with await WorkerProcess.start(
        WORKER, stage.client, arguments=arguments, identity="worker-2"
    ):
        await close(stage, handle, item)


@PATTERN.scenario(
    "gescheitert-und-zurueckgesetzt",
    "Der Auftrag fehlt in den Stammdaten; nach der Reparatur setzt ein Batch zurück.",
)
async def failed_and_reset(stage: Stage) -> None:
    """Form 1: die gescheiterte Ausführung ist der tote Brief."""
    item = row("R-1010", **UNKNOWN_SALE)
    async with open_office(stage, item):
        handle = await stage.start(
            FailingReturnWorkflow.run,
            ProcessReturn(item),
            id=f"retoure-{stage.task_queue}",
        )
        try:
            await result(handle, TIME_LIMIT)
        except WorkflowFailureError as error:
            stage.note(f"Gescheitert: {getattr(error.cause, 'cause', None)}")
        ledger = RefundLedger(stage.folder)
        ledger.add_sales(item.order)
        ledger.close()
        stage.note("Repariert: Der Auftrag steht jetzt in den Stammdaten.")
        while not await operate.reset_failed(
            stage.client, "AuftragUnbekannt", ANKE, task_queue=stage.task_queue
        ):
            await asyncio.sleep(0.05)
        latest = stage.client.get_workflow_handle(handle.id)
        while (await latest.describe()).status is not WorkflowExecutionStatus.COMPLETED:
            await asyncio.sleep(0.05)
        stage.handle = latest
    stage.note(f"Revision: {audit(stage.folder, [item]).describe()}")


# Zwei von vier Zeilen sind kaputt.
FOUR_ROWS = mixed(4, every=2)


async def import_in_order(stage: Stage) -> WorkflowHandle[ImportWorkflow, ImportResult]:
    """Startet den Import der vier Zeilen; ein Fenster von einer Zeile hält die
    Reihenfolge der Aufzeichnung fest.
    """
    file = stage.folder / "retouren.csv"
    write_file(file, FOUR_ROWS)
    job = ImportFile(str(file), window=1)
    return await stage.start(ImportWorkflow.run, job, id=f"import-{stage.task_queue}")


@PATTERN.scenario(
    "datei-mit-kaputten-zeilen",
    "Vier Zeilen, zwei davon kaputt: zwei gelingen, zwei liegen in der Tabelle.",
)
async def file_with_poison(stage: Stage) -> None:
    """Form 3: sofort ablegen und weitermachen."""
    async with open_office(stage, *FOUR_ROWS):
        ended = await result(await import_in_order(stage), TIME_LIMIT)
        stage.note(f"Import: {ended.done} erledigt, {ended.parked} geparkt")
    await command(stage, "liste")
    stage.note(f"Revision: {audit(stage.folder, FOUR_ROWS).describe()}")


@PATTERN.crash_stage("datei-mit-kaputten-zeilen")
@asynccontextmanager
async def until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Derselbe Import, bei dem Worker sterben; Buch und Tabelle bleiben."""
    open_books(stage.folder, FOUR_ROWS)
    arguments = {"folder": stage.folder, "task_queue": stage.task_queue}
    yield CrashStage(WORKER, arguments, lambda: import_in_order(stage))


@PATTERN.scenario(
    "wiederholt-aus-der-tabelle",
    "Ein Brief ist berichtigt, einer verworfen; der Rest läuft gebremst noch einmal.",
)
async def redriven(stage: Stage) -> None:
    """Form 3: der Befehl des Betriebs, vom Lesen bis zum Protokoll."""
    rows = mixed(8, every=2)
    async with open_office(stage, *rows):
        file = stage.folder / "retouren.csv"
        write_file(file, rows)
        await result(
            await stage.client.start_workflow(
                ImportWorkflow.run,
                ImportFile(str(file)),
                id=f"import-{stage.task_queue}",
                task_queue=stage.task_queue,
            ),
            TIME_LIMIT,
        )
        await command(stage, "liste")
        await command(stage, "berichtige", "R-0006", "--betrag", "49,90", "--wer", ANKE)
        await command(stage, "verwirf", "R-0002", "--grund", "doppelt", "--wer", ANKE)
        handle = await stage.start(
            RedriveWorkflow.run,
            Redrive(Selection(), ANKE, per_second=0.5),
            id=f"wiederholung-{stage.task_queue}",
        )
        ended = await result(handle, TIME_LIMIT)
        stage.note(
            f"Wiederholung: {ended.done} erledigt, {ended.parked} wieder geparkt"
        )
    await command(stage, "liste")
    stage.note(f"Revision: {audit(stage.folder, rows).describe()}")
