"""Benannte Läufe des Musters: was gelingt, was scheitert, was verloren geht – und was
die Bücher danach sagen.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from threading import Event

from temporalio.client import (
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import CancelledError

from dauerlauf.faults import ActivityAction, ActivityFault, FaultInjector, FaultPlan
from dauerlauf.scenario import CrashStage, Legend, Pattern, Stage
from dauerlauf.timelapse import result
from dauerlauf.worker_process import WorkerProcess
from kapitel07.saga.activities import Addresses
from kapitel07.saga.audit import audit
from kapitel07.saga.compensation import SagaStatus
from kapitel07.saga.models import (
    Order,
    OrderResult,
    PlaceOrder,
    Retry,
    SagaOptions,
    Skip,
)
from kapitel07.saga.services import ARTICLE, Nordlicht, nordlicht
from kapitel07.saga.worker import create_worker
from kapitel07.saga.workflow import OrderWorkflow

PATTERN = Pattern(
    "saga",
    chapter=7,
    title="Saga",
    problem="Ein Auftrag über vier fremde Dienste gilt ganz oder gar nicht, auch wenn "
    "mittendrin etwas ausfällt.",
    workflows=[OrderWorkflow],
    legend=Legend(
        compensations=frozenset(
            {"release_stock", "refund_payment", "cancel_parcel", "cancel_invoice"}
        ),
        services={
            "reserve_stock": "Lager",
            "release_stock": "Lager",
            "charge_payment": "Zahlungsdienst",
            "refund_payment": "Zahlungsdienst",
            "register_parcel": "Versanddienst",
            "cancel_parcel": "Versanddienst",
            "write_invoice": "Buchhaltung",
            "cancel_invoice": "Buchhaltung",
            "open_case": "Buchhaltung",
            "send_confirmation": "Postausgang",
        },
    ),
    search_attributes={"SagaStatus": "Keyword"},
)

TIME_LIMIT = 40.0
WORKER = "kapitel07.saga.worker:create_worker"

Handle = WorkflowHandle[OrderWorkflow, OrderResult]

# Woran ein Auftrag scheitert: an den Daten, die ein Dienst nicht annimmt.
OUT_OF_STOCK = {"article": "Buddelschiff"}
CARD_DECLINED = {"card": "gesperrt-0815"}
NOT_DELIVERED = {"postal_code": "27498"}
INVALID_VAT_ID = {"vat_id": "DE123"}


def order(number: str, **changes: str) -> Order:
    """Ein Auftrag, der gelingt – bis auf `changes`."""
    good = Order(
        number=number,
        customer="Jörg Weiß",
        email="joerg.weiss@example.org",
        postal_code="24937",
        article=ARTICLE,
        quantity=2,
        amount_cents=4990,
        card="karte-4711",
    )
    return replace(good, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def open_shop(
    stage: Stage, plan: FaultPlan | None = None
) -> AsyncIterator[Nordlicht]:
    """Startet die Dienste und einen Worker, dem `plan` zustößt."""
    with nordlicht(stage.folder) as world:
        plugins = [FaultInjector(plan)] if plan else []
        client = stage.worker_client("worker-1", plugins=plugins)
        async with create_worker(client, addresses(world), task_queue=stage.task_queue):
            yield world


def addresses(world: Nordlicht) -> Addresses:
    """Die Adressen, die der Worker braucht."""
    return Addresses(world.folder, world.payment.url, world.carrier.url)


async def place(stage: Stage, placed: Order, **options: float | bool) -> Handle:
    """Gibt den Auftrag auf."""
    arg = PlaceOrder(placed, SagaOptions(**options))  # type: ignore[arg-type]
    return await stage.start(OrderWorkflow.run, arg, id=f"auftrag-{placed.number}")


async def close(stage: Stage, handle: Handle, number: str) -> None:
    """Wartet auf das Ende und hält fest, was die Bücher sagen."""
    try:
        ended: OrderResult = await result(handle, TIME_LIMIT)
        if ended.cancel_came_too_late:
            stage.note(
                "Der Abbruch kam nach dem letzten Schritt: Der Auftrag gilt, "
                "die Bestätigung ging hinaus."
            )
    except WorkflowFailureError as error:
        cancelled = isinstance(error.cause, CancelledError)
        cause = getattr(error.cause, "cause", None) or error.cause
        stage.note(f"Ursache: {'Abbruch von außen' if cancelled else cause}")
    account = audit(stage.folder).account(number)
    stage.note(f"Bücher zu {number}: {account.describe()}")
    for step, case in account.cases.items():
        stage.note(f"Klärfall {step}: {case}")


async def play_through(
    stage: Stage, placed: Order, plan: FaultPlan | None = None, **options: float | bool
) -> None:
    """Der übliche Lauf: aufgeben, abwarten, Bücher lesen."""
    async with open_shop(stage, plan):
        await close(stage, await place(stage, placed, **options), placed.number)


def at(activity: str, action: ActivityAction, *attempts: int) -> FaultPlan:
    """Ein Störplan mit einer einzigen Störung."""
    return FaultPlan((ActivityFault(activity, action, attempts=attempts or (1,)),))


def slow(**seconds: float) -> FaultPlan:
    """Ein Störplan, der jede genannte Activity um so viele Sekunden verzögert."""
    return FaultPlan(
        tuple(
            ActivityFault(name, ActivityAction.DELAY, seconds=delay)
            for name, delay in seconds.items()
        )
    )


@PATTERN.scenario("glatt", "Alle vier Schritte gelingen, die Bestätigung geht hinaus.")
async def smooth(stage: Stage) -> None:
    """Der gute Fall."""
    await play_through(stage, order("N-1001"))


@PATTERN.crash_stage("glatt")
@asynccontextmanager
async def smooth_until_crash(stage: Stage) -> AsyncIterator[CrashStage]:
    """Der gute Fall mit Workern, die sterben."""
    with nordlicht(stage.folder) as world:
        arguments = {"addresses": addresses(world), "task_queue": stage.task_queue}
        yield CrashStage(WORKER, arguments, lambda: place(stage, order("N-1001")))


@PATTERN.scenario(
    "lager-leer", "Der erste Schritt scheitert: Der Artikel ist ausverkauft."
)
async def out_of_stock(stage: Stage) -> None:
    """Schon vorgemerkt, aber nie reserviert: Die Kompensation findet nichts vor und ist
    trotzdem richtig.
    """
    await play_through(stage, order("N-1002", **OUT_OF_STOCK))


@PATTERN.scenario(
    "zahlung-scheitert", "Die Bank lehnt die Karte ab, die Ware geht zurück ins Regal."
)
async def card_declined(stage: Stage) -> None:
    """Der zweite Schritt scheitert fachlich."""
    await play_through(stage, order("N-1003", **CARD_DECLINED))


@PATTERN.scenario(
    "versand-scheitert",
    "Der Versanddienst beliefert Helgoland nicht; Geld und Ware gehen zurück.",
)
async def not_delivered(stage: Stage) -> None:
    """Der dritte Schritt scheitert fachlich."""
    await play_through(stage, order("N-1004", **NOT_DELIVERED))


@PATTERN.scenario(
    "rechnung-scheitert",
    "Die USt-IdNr. ist ungültig; drei gebuchte Schritte werden zurückgenommen.",
)
async def invalid_vat_id(stage: Stage) -> None:
    """Der letzte Schritt scheitert fachlich."""
    await play_through(stage, order("N-1005", **INVALID_VAT_ID))


@PATTERN.scenario(
    "parallel", "Wie rechnung-scheitert, aber alle Kompensationen laufen gleichzeitig."
)
async def parallel(stage: Stage) -> None:
    """Die Variante für Kompensationen, die einander nicht brauchen."""
    # Verschieden langsame Dienste: So ist die Reihenfolge der Antworten in jeder
    # Aufzeichnung dieselbe.
    plan = slow(cancel_parcel=0.2, refund_payment=0.4, release_stock=0.6)
    await play_through(stage, order("N-1006", **INVALID_VAT_ID), plan, parallel=True)


@PATTERN.scenario(
    "dienst-stolpert",
    "Der Versanddienst fällt zweimal aus; der dritte Versuch gelingt.",
)
async def stumble(stage: Stage) -> None:
    """Eine Störung ist noch kein Scheitern."""
    await play_through(
        stage, order("N-1007"), at("register_parcel", ActivityAction.FAIL_BEFORE, 1, 2)
    )


@PATTERN.scenario(
    "dienst-faellt-aus",
    "Der Versanddienst bleibt gestört; nach fünf Versuchen wird zurückgerollt.",
)
async def outage(stage: Stage) -> None:
    """Die Grenze der Retries entscheidet, nicht die Geduld des Servers."""
    async with open_shop(stage) as world:
        world.carrier.outages.add("/buchen")
        await close(stage, await place(stage, order("N-1008")), "N-1008")


@PATTERN.scenario(
    "quittung-verloren",
    "Die Karte ist belastet, aber die Meldung der Activity geht verloren.",
)
async def lost_completion(stage: Stage) -> None:
    """Der Server wiederholt den Schritt; der Schlüssel verhindert die Doppelbuchung."""
    await play_through(
        stage, order("N-1009"), at("charge_payment", ActivityAction.LOSE_COMPLETION)
    )


@PATTERN.scenario(
    "antwort-verloren",
    "Die Karte ist belastet, aber jede Antwort des Dienstes geht verloren.",
)
async def lost_answers(stage: Stage) -> None:
    """Für den Workflow ist der Schritt gescheitert, für die Bank nicht. Nur die frühe
    Vormerkung hilft.
    """
    async with open_shop(stage) as world:
        world.payment.lost_answers["/buchen"] = 5
        await close(stage, await place(stage, order("N-1010")), "N-1010")


@PATTERN.scenario(
    "spaete-buchung",
    "Die Belastung kommt erst nach der Erstattung an und prallt am Grabstein ab.",
)
async def late_booking(stage: Stage) -> None:
    """Ein Timeout sagt nicht, dass nichts geschehen ist – nur, dass niemand mehr
    wartet.
    """
    async with open_shop(stage) as world:
        gate = world.payment.gates["/buchen"] = Event()
        handle = await place(stage, order("N-1011"), step_timeout=1, step_attempts=1)
        await close(stage, handle, "N-1011")
        gate.set()
        while not world.payment.answered["/buchen"]:
            await asyncio.sleep(0.01)
    stage.note(
        f"Nach der späten Buchung: {audit(stage.folder).account('N-1011').describe()}"
    )


@PATTERN.scenario("abbruch-im-lager", "Abbruch, während das Lager reserviert.")
async def cancel_in_stock(stage: Stage) -> None:
    """Die Reservierung wird fertig und sofort zurückgenommen."""
    await play_through(
        stage, order("N-1012"), at("reserve_stock", ActivityAction.CANCEL_AFTER)
    )


@PATTERN.scenario(
    "abbruch-in-der-zahlung", "Abbruch, kurz bevor die Karte belastet wird."
)
async def cancel_in_payment(stage: Stage) -> None:
    """Der Workflow wartet ab, wie die Belastung ausgeht, und erstattet dann."""
    await play_through(
        stage, order("N-1013"), at("charge_payment", ActivityAction.CANCEL_BEFORE)
    )


@PATTERN.scenario(
    "abbruch-im-versand",
    "Abbruch, während das Etikett gedruckt wird; die Activity hört darauf.",
)
async def cancel_in_shipping(stage: Stage) -> None:
    """Der Heartbeat bringt den Abbruch in die laufende Activity."""
    async with open_shop(
        stage, at("register_parcel", ActivityAction.CANCEL_BEFORE)
    ) as world:
        world.carrier.label_polls = 100
        await close(stage, await place(stage, order("N-1014")), "N-1014")


@PATTERN.scenario(
    "abbruch-in-der-rechnung",
    "Abbruch während des letzten Schritts: gerade noch rechtzeitig.",
)
async def cancel_in_invoice(stage: Stage) -> None:
    """Auch nach dem letzten Schritt zählt ein Abbruch, den der Workflow vorher gesehen
    hat.
    """
    await play_through(
        stage, order("N-1015"), at("write_invoice", ActivityAction.CANCEL_AFTER)
    )


@PATTERN.scenario(
    "abbruch-zu-spaet", "Abbruch nach dem Punkt ohne Wiederkehr: Der Auftrag gilt."
)
async def cancel_too_late(stage: Stage) -> None:
    """Die Bestätigung geht trotzdem hinaus, genau einmal."""
    await play_through(
        stage, order("N-1016"), at("send_confirmation", ActivityAction.CANCEL_BEFORE)
    )


@PATTERN.scenario(
    "abbruch-beim-zurueckrollen",
    "Abbruch, während schon zurückgerollt wird: Es ändert sich nichts.",
)
async def cancel_while_compensating(stage: Stage) -> None:
    """Die Kompensation ist geschützt, der Status bleibt FAILED."""
    await play_through(
        stage,
        order("N-1017", **NOT_DELIVERED),
        at("refund_payment", ActivityAction.CANCEL_BEFORE),
    )


@PATTERN.scenario(
    "kompensation-erholt-sich", "Die Erstattung scheitert, bis der Dienst wieder läuft."
)
async def compensation_recovers(stage: Stage) -> None:
    """Nach jeder Runde eine längere Pause, ohne Ende."""
    async with open_shop(stage) as world:
        world.payment.outages.add("/stornieren")
        handle = await place_and_wait_until_blocked(
            stage, order("N-1018", **NOT_DELIVERED)
        )
        world.payment.outages.clear()
        if stage.timelapse:
            await stage.timelapse.fast_forward(handle)
        await close(stage, handle, "N-1018")


@PATTERN.scenario(
    "kompensation-repariert",
    "Die Erstattung scheitert; ein Mensch behebt den Grund und wiederholt sie.",
)
async def compensation_repaired(stage: Stage) -> None:
    """Das Update `retry_compensation` beendet die Pause sofort."""
    async with open_shop(stage) as world:
        world.payment.outages.add("/stornieren")
        handle = await place_and_wait_until_blocked(
            stage, order("N-1019", **NOT_DELIVERED)
        )
        world.payment.outages.clear()
        outcome = await handle.execute_update(
            OrderWorkflow.retry_compensation, Retry("zahlung", "Anke Petersen")
        )
        stage.note(f"Eingriff: zahlung noch einmal versucht – {outcome.state}")
        await close(stage, handle, "N-1019")


@PATTERN.scenario(
    "kompensation-ausgelassen",
    "Das Paket ist schon unterwegs; ein Mensch klärt das und lässt es aus.",
)
async def compensation_skipped(stage: Stage) -> None:
    """Auslassen verlangt eine Begründung und hinterlässt einen Klärfall in der
    Buchhaltung.
    """
    async with open_shop(stage, slow(open_case=0.5)) as world:
        world.carrier.collect("N-1020")
        handle = await place_and_wait_until_blocked(
            stage, order("N-1020", **INVALID_VAT_ID)
        )
        try:
            await handle.execute_update(
                OrderWorkflow.skip_compensation, Skip("versand", "Anke Petersen", " ")
            )
        except WorkflowUpdateFailedError as error:
            stage.note(f"Abgelehnt: {error.cause}")
        skip = Skip(
            "versand",
            "Anke Petersen",
            "Rücksendung RS-77 mit der Kundschaft vereinbart",
        )
        outcome = await handle.execute_update(OrderWorkflow.skip_compensation, skip)
        stage.note(f"Eingriff: versand – {outcome.state}")
        await close(stage, handle, "N-1020")


@PATTERN.scenario(
    "worker-stirbt", "Der Worker stirbt mitten im Zurückrollen, ein anderer übernimmt."
)
async def worker_dies(stage: Stage) -> None:
    """Die Erstattung hat gewirkt, niemand hat es gemeldet; der zweite Worker erstattet
    noch einmal, ohne Folgen.
    """
    plan = at("refund_payment", ActivityAction.KILL_AFTER)
    with nordlicht(stage.folder) as world:
        arguments = {"addresses": addresses(world), "task_queue": stage.task_queue}
        async with await WorkerProcess.start(
            WORKER, stage.client, arguments=arguments, plan=plan
        ) as first:
            handle = await place(
                stage, order("N-1021", **NOT_DELIVERED), step_timeout=2
            )
            stage.note(
                f"worker-1: Prozess beendet mit Code {await first.died()} (SIGKILL)"
            )
        async with await WorkerProcess.start(
            WORKER, stage.client, arguments=arguments, identity="worker-2"
        ):
            await close(stage, handle, "N-1021")


async def place_and_wait_until_blocked(stage: Stage, placed: Order) -> Handle:
    """Gibt den Auftrag auf und wartet, bis eine Kompensation auf einen Eingriff wartet.

    Ohne `unskipped` eilte die Uhr durch alle Pausen; auf einem fremden Server ist die
    Pause deshalb kurz.
    """
    with stage.timelapse.unskipped() if stage.timelapse else nullcontext():
        handle = await place(
            stage, placed, undo_attempts=2, undo_pause=600 if stage.timelapse else 5
        )
    while (
        view := await handle.query(OrderWorkflow.progress)
    ).status != SagaStatus.BLOCKED:
        await asyncio.sleep(0.05)
    for waiting in (c for c in view.compensations if c.error):
        stage.note(f"SagaStatus „{view.status}“: {waiting.step} – {waiting.error}")
    return handle
