"""Prüfungen zu „Reise nach Sylt“."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.history import event_name
from dauerlauf.together import together

BOOK = ("book_ferry", "book_hotel", "book_car")
CANCEL = ("cancel_ferry", "cancel_hotel", "cancel_car")
THINGS = ("Fähre", "Hotel", "Auto")
ATTEMPTS = 4


@dataclass(frozen=True)
class Fate:
    """Was einer Activity bei einem Aufruf zustößt."""

    stumbles: int = 0
    rejects: bool = False
    loses: bool = False
    """Sie wirkt, aber keine Antwort kommt an."""
    cancels: bool = False
    """Während sie läuft, wird die Reise abgebrochen."""
    holds: bool = False
    """Sie wartet, bis der Worker gestorben und ersetzt ist."""


Fates = Mapping[str, Mapping[str, Fate]]
"""Je Reise, was welcher Activity zustößt."""


def _error(text: str, *, final: bool = False) -> ApplicationError:
    # BENIGN ändert nichts am Ablauf; das SDK schreibt nur keinen Traceback ins Log.
    return ApplicationError(
        text, non_retryable=final, category=ApplicationErrorCategory.BENIGN
    )


async def _cancel() -> None:
    """Bricht den Workflow ab und wartet, bis sein Code den Abbruch gesehen hat."""
    handle = activity.client().get_workflow_handle(str(activity.info().workflow_id))
    await handle.cancel()
    requested = False
    async for event in handle.fetch_history_events(wait_new_event=True):
        requested |= event_name(event) == "WorkflowExecutionCancelRequested"
        if requested and event_name(event) == "WorkflowTaskCompleted":
            return


class Providers:
    """Die drei Anbieter und ihre Bücher, je Reise."""

    def __init__(self, fates: Fates) -> None:
        self._fates = fates
        self.booked: defaultdict[str, set[str]] = defaultdict(set)
        self.calls: defaultdict[str, list[str]] = defaultdict(list)
        self.held: set[str] = set()
        self.go_on = asyncio.Event()

    def activities(self) -> list[Callable[..., Any]]:
        """Alle sechs Activities."""
        return [self._activity(name) for name in BOOK + CANCEL]

    def _activity(self, name: str) -> Callable[..., Any]:
        @activity.defn(name=name)
        async def serve(trip_id: str) -> str | None:
            return await self._serve(name, trip_id)

        return serve

    async def _serve(self, name: str, trip: str) -> str | None:
        self.calls[trip].append(name)
        fate = self._fates.get(trip, {}).get(name, Fate())
        if fate.holds:
            self.held.add(trip)
            await self.go_on.wait()
        if fate.cancels:
            await _cancel()
        if self.calls[trip].count(name) <= fate.stumbles:
            raise _error("Die Leitung ist besetzt.")
        if fate.rejects:
            raise _error(f"Ausgebucht: {name}", final=True)
        if name in CANCEL:
            self.booked[trip].discard(BOOK[CANCEL.index(name)])
            return None
        self.booked[trip].add(name)
        if fate.loses:
            raise _error(f"Keine Antwort: {name}")
        return f"{name}/{trip}"

    def left(self, trip: str) -> str:
        """Was von einer Reise noch gebucht ist, in Worten; leer, wenn nichts."""
        pairs = zip(BOOK, THINGS, strict=True)
        return ", ".join(thing for name, thing in pairs if name in self.booked[trip])

    def cancelled(self, trip: str) -> list[str]:
        """Die Stornos in ihrer Reihenfolge, jedes einmal."""
        return list(dict.fromkeys(call for call in self.calls[trip] if call in CANCEL))


async def _travel(bench: Bench, providers: Providers, trips: Fates) -> dict[str, Run]:
    async with bench.worker(
        "workflow:TripWorkflow", given=providers.activities()
    ) as worker:
        runs = (worker.attempt("TripWorkflow", trip) for trip in trips)
        return dict(zip(trips, await together(*runs), strict=True))


def _expect_in_turn(run: Run, what: str) -> None:
    """Kein Storno beginnt, solange eine Buchung oder ein anderes Storno offen ist."""
    open_calls: dict[int, str] = {}
    for event in run.history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            name = event.activity_task_scheduled_event_attributes.activity_type.name
            expect(
                name not in CANCEL or not open_calls,
                wo=f"Event {event.event_id} der History, `{name}`, wenn {what}",
                warum=f"Das Storno beginnt, während {', '.join(f'`{one}`' for one in open_calls.values())} noch läuft. Was "
                "danach noch gebucht wird, storniert niemand mehr.",
                weiter="Warten Sie ab, wie die laufende Activity ausgeht. Für einen Abbruch sagt das `cancellation_type`, "
                "für mehrere Stornos die Schleife.",
            )
            open_calls[event.event_id] = name
        for closed in (
            event.activity_task_completed_event_attributes,
            event.activity_task_failed_event_attributes,
            event.activity_task_timed_out_event_attributes,
            event.activity_task_canceled_event_attributes,
        ):
            open_calls.pop(closed.scheduled_event_id, None)


def _expect_undone(
    providers: Providers, trip: str, run: Run, what: str, last: str
) -> None:
    """Nichts ist mehr gebucht; storniert wurde von `last` an rückwärts."""
    _expect_in_turn(run, what)
    cancelled = ", ".join(providers.cancelled(trip)) or "nichts"
    expect(
        not providers.left(trip),
        wo=f"Bücher der Anbieter, wenn {what}",
        warum=f"Der Workflow endet {run.status}, gebucht ist noch: {providers.left(trip)}. Storniert wurde: {cancelled}.",
        weiter="Gehen Sie die Stelle durch, an der es geschah: Ist das Storno dann schon vorgemerkt, und was unterbricht den "
        "Rückweg?",
    )
    wanted = list(reversed(CANCEL[: BOOK.index(last) + 1]))
    expect(
        providers.cancelled(trip) == wanted,
        wo=f"Reihenfolge der Stornos, wenn {what}",
        warum=f"Sie war: {cancelled}. Begonnen hatten die Buchungen bis `{last}`.",
        weiter="Storniert wird, was begonnen hat, auch die gescheiterte Buchung, und das Letzte zuerst.",
    )


async def alles_gebucht(bench: Bench) -> None:
    """Gelingt alles, sind drei Buchungen da; drei Fehlversuche ändern daran nichts."""
    trips = {
        "Sylt-1": {},
        "Sylt-2": {name: Fate(stumbles=ATTEMPTS - 1) for name in BOOK},
    }
    providers = Providers(trips)
    runs = await _travel(bench, providers, trips)
    for trip, what in (
        ("Sylt-1", "ohne Störung"),
        ("Sylt-2", "mit drei Fehlversuchen je Buchung"),
    ):
        run, wanted = runs[trip], [f"{name}/{trip}" for name in BOOK]
        expect(
            run.status == "COMPLETED" and run.result == wanted,
            wo=f"Ergebnis einer Reise {what}",
            warum=f"Sie endet {run.status} mit {run.reason or run.result!r}, erwartet ist {wanted!r}. Gerufen wurden: "
            f"{', '.join(providers.calls[trip]) or 'keine'}.",
            weiter="Buchen Sie Fähre, Hotel und Auto nacheinander, jede mit vier Versuchen, und geben Sie die Nummern zurück.",
        )
        expect(
            not providers.cancelled(trip),
            wo=f"Stornos einer Reise {what}",
            warum=f"Storniert wurde: {', '.join(providers.cancelled(trip))}.",
            weiter="Storniert wird nur nach einem Fehler oder einem Abbruch.",
        )


async def buchung_scheitert(bench: Bench) -> None:
    """Scheitert eine der Buchungen, gleich welche und wie, wird alles storniert."""
    trips: dict[str, dict[str, Fate]] = {}
    for name in BOOK:
        trips[f"{name}-ohne-antwort"] = {name: Fate(loses=True)}
    for name in BOOK:
        trips[f"{name}-abgelehnt"] = {name: Fate(rejects=True)}
    stuck = "book_car-abgelehnt"
    trips[stuck]["cancel_hotel"] = Fate(stumbles=12)
    providers = Providers(trips)
    runs = await _travel(bench, providers, trips)
    for trip, fates in trips.items():
        run, name = runs[trip], next(iter(fates))
        lost = fates[name].loses
        what = f"`{name}` " + (
            "bucht, aber keine Antwort ankommt" if lost else "endgültig ablehnt"
        )
        if trip == stuck:
            what += " und das Storno des Hotels zwölfmal scheitert"
        tries = max(run.attempts(name), default=0)
        expect(
            tries == ATTEMPTS if lost else providers.calls[trip].count(name) == 1,
            wo=f"Versuche, wenn {what}",
            warum=f"Es waren {tries}, vorgesehen sind {ATTEMPTS if lost else 1}.",
            weiter="Begrenzen Sie die Versuche der Buchung in ihrer Retry-Policy.",
        )
        _expect_undone(providers, trip, run, what, name)
        expect(
            run.status == "FAILED" and name in run.reason,
            wo=f"Status, wenn {what}",
            warum=f"Er ist {run.status}, der Grund: {run.reason or 'keiner'}. Wer die Reise gab, soll lesen, wer abgelehnt hat.",
            weiter="Werfen Sie nach den Stornos den Fehler weiter, mit dem alles anfing.",
        )


async def abbruch(bench: Bench) -> None:
    """Ein Abbruch in einer Buchung oder beim Stornieren lässt nichts stehen."""
    trips = {f"abbruch-{name}": {name: Fate(cancels=True)} for name in BOOK}
    trips["beides"] = {"book_hotel": Fate(cancels=True, rejects=True)}
    for name in CANCEL:
        trips[f"abbruch-{name}"] = {
            "book_car": Fate(rejects=True),
            name: Fate(cancels=True),
        }
    providers = Providers(trips)
    runs = await _travel(bench, providers, trips)
    for trip, fates in trips.items():
        run, name = runs[trip], next(one for one, fate in fates.items() if fate.cancels)
        rejected = any(fate.rejects for fate in fates.values())
        what = f"während `{name}` abgebrochen wird"
        if trip == "beides":
            what += " und die Buchung danach scheitert"
        last = "book_car" if name in CANCEL else name
        later = [
            one for one in BOOK[BOOK.index(last) + 1 :] if one in providers.calls[trip]
        ]
        expect(
            not later,
            wo=f"Buchungen, wenn {what}",
            warum=f"Danach begann noch `{', '.join(later)}`. Die Activity gelang trotz Abbruch, und der Workflow machte weiter, "
            "als wäre nichts gewesen.",
            weiter="Fragen Sie nach jeder Buchung, ob inzwischen jemand abgebrochen hat.",
        )
        if run.status == "COMPLETED" and name == "book_car":
            expect(
                providers.booked[trip] == set(BOOK),
                wo=f"Bücher der Anbieter, wenn {what}",
                warum=f"Die Reise endet COMPLETED, gebucht ist: {providers.left(trip) or 'nichts'}.",
                weiter="Gilt die Reise, muss alles gebucht sein; gilt sie nicht, endet sie CANCELED.",
            )
            continue
        _expect_undone(providers, trip, run, what, last)
        # Auf dem Rückweg nach einem Fehler bleibt es bei FAILED; auch CANCELED sagt, dass die Reise nicht gilt.
        allowed = (
            ("FAILED", "CANCELED") if name in CANCEL and rejected else ("CANCELED",)
        )
        expect(
            run.status in allowed,
            wo=f"Status, wenn {what}",
            warum=f"Er ist {run.status}, obwohl jemand abgebrochen hat und alles storniert ist.",
            weiter="Beenden Sie den Workflow nach den Stornos mit `asyncio.CancelledError`, sofern abgebrochen wurde.",
        )


async def worker_stirbt(bench: Bench) -> None:
    """Stirbt der Worker an irgendeiner Stelle, geht die Reise bei einem anderen richtig zu Ende."""
    trips = {
        name: {"book_car": Fate(rejects=True), name: Fate(holds=True)}
        for name in ("book_ferry", "book_hotel", *CANCEL)
    }
    trips["book_car"] = {"book_car": Fate(rejects=True, holds=True)}
    providers = Providers(trips)
    queue = bench.task_queue()
    async with bench.worker(
        "workflow:TripWorkflow", given=providers.activities(), task_queue=queue
    ) as first:
        handles = {trip: await first.start("TripWorkflow", trip) for trip in trips}
        async with asyncio.timeout(15):
            while len(providers.held) < len(trips):
                await asyncio.sleep(0.01)
        first.kill()
        async with bench.worker("workflow:TripWorkflow", task_queue=queue) as second:
            providers.go_on.set()
            runs = await together(*(second.end(one) for one in handles.values()))
    for trip, run in zip(trips, runs, strict=True):
        what = f"der Worker während `{trip}` stirbt"
        _expect_undone(providers, trip, run, what, "book_car")
        expect(
            run.status == "FAILED" and "book_car" in run.reason,
            wo=f"Status, wenn {what}",
            warum=f"Er ist {run.status}, der Grund: {run.reason or 'keiner'}.",
            weiter="Halten Sie den Stand der Reise nur im Workflow; was außerhalb steht, stirbt mit dem Worker.",
        )


CHECKS = (alles_gebucht, buchung_scheitert, abbruch, worker_stirbt)
GIVEN = ("anbieter.py",)
START_FAILS = "Gerufen wurden: keine"
REGISTER = "        self._undo.append(cancel)\n"
CHECK = """        if workflow.cancellation_reason() is not None:
            raise asyncio.CancelledError
"""
LOOP = """        for cancel in reversed(self._undo):
            await workflow.execute_activity(
                cancel, trip_id, start_to_close_timeout=LONGEST
            )
"""
WRONG = (
    Wrong(
        "nach dem Schritt vorgemerkt",
        changes=((REGISTER, ""), (CHECK, REGISTER + CHECK)),
        expected="gebucht ist noch: Fähre",
    ),
    Wrong(
        "alle Stornos zugleich",
        changes=(
            (
                LOOP,
                """        await asyncio.gather(
            *(
                workflow.execute_activity(
                    cancel, trip_id, start_to_close_timeout=LONGEST
                )
                for cancel in reversed(self._undo)
            )
        )
""",
            ),
        ),
        expected="noch läuft",
    ),
    Wrong(
        "Storno mit Grenze",
        changes=(
            (
                "cancel, trip_id, start_to_close_timeout=LONGEST\n",
                "cancel, trip_id, start_to_close_timeout=LONGEST, retry_policy=RetryPolicy(maximum_attempts=10)\n",
            ),
        ),
        expected="und das Storno des Hotels zwölfmal scheitert",
    ),
    Wrong(
        "die laufende Buchung nicht abgewartet",
        changes=(("WAIT_CANCELLATION_COMPLETED", "TRY_CANCEL"),),
        expected="Das Storno beginnt, während `book_ferry` noch läuft",
    ),
    Wrong(
        "nach dem Abbruch weitergebucht",
        changes=((CHECK, ""),),
        expected="Danach begann noch `book_hotel",
    ),
)
