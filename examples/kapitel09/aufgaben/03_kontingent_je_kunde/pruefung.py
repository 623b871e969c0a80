"""Prüfungen zu „Kontingent je Kunde“."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.client import WorkflowHandle

from dauerlauf.exercises import Bench, Running, Wrong, expect
from dauerlauf.together import together

MINUTE, DAY = timedelta(seconds=60), timedelta(hours=24)
LIMITS = ((3, MINUTE, "60 s"), (10, DAY, "24 Stunden"))
PER_RUN = 12
SLACK = timedelta(seconds=5)
ROUNDING = timedelta(milliseconds=1)


class Customer:
    """Ein Kunde: sein Kontingent und die Uhrzeiten, die es vergab."""

    def __init__(
        self, bench: Bench, worker: Running, handle: WorkflowHandle[Any, Any]
    ) -> None:
        self._bench = bench
        self._worker = worker
        self.handle = handle
        self.permits: dict[str, datetime] = {}
        self._began: datetime | None = None

    @classmethod
    async def new(cls, bench: Bench, worker: Running) -> "Customer":
        # Die Uhr steht, bis die Prüfung sie vorstellt.
        with bench.timelapse.unskipped():
            return cls(bench, worker, await worker.start("QuotaWorkflow"))

    async def ask(self, request_id: str) -> datetime:
        answer = await self._worker.update(self.handle, "permit", request_id)
        expect(
            isinstance(answer, int | float) and not isinstance(answer, bool),
            wo="Antwort des Updates `permit`",
            warum=f"Sie lautet {answer!r}; das ist keine Zahl von Sekunden.",
            weiter="Rechnen Sie mit Sekunden wie `workflow.time()`, und geben Sie sie so zurück.",
        )
        return datetime.fromtimestamp(answer, UTC)

    async def ask_new(self, *request_ids: str) -> None:
        """Fragt nacheinander und rechnet jede Uhrzeit nach."""
        asked = await self._bench.timelapse.now(self.handle)
        for request_id in request_ids:
            before = list(self.permits.values())
            at = self.permits[request_id] = await self.ask(request_id)
            self._began = self._began or at
            expect(
                at >= asked - SLACK,
                wo=f"Uhrzeit für {request_id}, die {len(self.permits)}. dieses Kunden",
                warum=f"Vergeben ist {self.since(at)}, gefragt wurde erst nach {self.since(asked)}. Wer dann anfragt, "
                "zählt beim Dienst in einem Fenster, das Ihr Buch nicht kennt.",
                weiter="Nichts wird in der Vergangenheit vergeben: Auch jetzt ist eine Untergrenze.",
            )
            _limits([*before, at], self)
            bounds = before[-1:] + [
                before[-count] + window
                for count, window, _ in LIMITS
                if len(before) >= count
            ]
            # Die Uhr läuft beim Fragen weiter; danach gelesen, ist sie eine obere Grenze.
            if not bounds or at > max(bounds) + SLACK:
                now = await self._bench.timelapse.now(self.handle)
                earliest = max([now, *bounds])
                expect(
                    at <= earliest + SLACK,
                    wo=f"Uhrzeit für {request_id}, die {len(self.permits)}. dieses Kunden",
                    warum=f"Vergeben ist {self.since(at)}, erlaubt wäre {self.since(earliest)}. Bisher: {self.times(before)}.",
                    weiter="Ein Platz wird frei, sobald seine Uhrzeit 60 s oder 24 Stunden zurückliegt.",
                )

    async def repeat(self, request_id: str, when: str) -> None:
        """Dieselbe Frage noch einmal."""
        at = await self.ask(request_id)
        expect(
            at == self.permits[request_id],
            wo=f"Zweite Frage nach {request_id}, {when}",
            warum=f"Zuerst war es {self.since(self.permits[request_id])}, nun {self.since(at)}. Wessen Antwort verloren "
            "ging, der fragt noch einmal und verbraucht so einen zweiten Platz.",
            weiter="Die Frage gehört zum Zustand, nicht nur die Uhrzeit, und der Zustand muss da sein, bevor das erste Update kommt.",
        )

    async def forward(self, duration: timedelta) -> None:
        await self._bench.timelapse.fast_forward(self.handle, duration)

    async def input(self) -> tuple[str, bytes]:
        """Run-ID des laufenden Laufs und die Bytes seiner Eingabe."""
        history = await self.handle.fetch_history()
        started = history.events[0].workflow_execution_started_event_attributes
        return started.original_execution_run_id, started.input.SerializeToString()

    def since(self, at: datetime) -> str:
        """Sekunden seit der ersten Uhrzeit dieses Kunden."""
        return f"{(at - (self._began or at)).total_seconds():.0f} s"

    def times(self, times: Sequence[datetime]) -> str:
        return ", ".join(self.since(at) for at in times[-10:]) or "keine"


def _limits(times: Sequence[datetime], customer: Customer) -> None:
    expect(
        len(times) < 2 or times[-1] >= times[-2],
        wo="Reihenfolge der Uhrzeiten",
        warum=f"Nach {customer.since(times[-2])} folgt {customer.since(times[-1])}."
        if len(times) > 1
        else "",
        weiter="Wer später fragt, bekommt keine frühere Uhrzeit als die zuletzt vergebene.",
    )
    for count, window, name in LIMITS:
        if len(times) > count:
            expect(
                times[-1] - times[-1 - count] >= window - ROUNDING,
                wo=f"Vergebene Uhrzeiten, die letzten {count + 1}",
                warum=f"{customer.times(times[-1 - count :])}, gerechnet ab der ersten: {count + 1} Anfragen in weniger als "
                f"{name}, erlaubt sind {count}. Der Dienst lehnt die letzte ab.",
                weiter="Zählen Sie von der neuen Uhrzeit aus zurück, nicht von jetzt und nicht von einer vollen Minute.",
            )


async def fenster(bench: Bench) -> None:
    """Kein gleitendes Fenster ist zu voll, keine Uhrzeit später als nötig, keine Frage zählt doppelt."""
    async with bench.worker("workflow:QuotaWorkflow") as worker:
        tea, small = await together(
            Customer.new(bench, worker), Customer.new(bench, worker)
        )
        await tea.ask_new("NL-01")
        await tea.forward(timedelta(seconds=50))
        await tea.ask_new("NL-02", "NL-03")
        await tea.forward(timedelta(seconds=20))
        await tea.ask_new(*(f"NL-{n:02d}" for n in range(4, 9)))
        await tea.repeat("NL-07", "gleich danach")
        await tea.ask_new("NL-09", "NL-10", "NL-11")
        # Ein anderer Kunde, dieselben Nummern, alle Fragen zugleich.
        numbers = (1, 2, 3, 4, 4, 4)
        answers = await together(*(small.ask(f"NL-{n:02d}") for n in numbers))
        first = min(answers)
        told = ", ".join(
            f"NL-{n:02d}: {(at - first).total_seconds():.0f} s"
            for n, at in zip(numbers, answers, strict=True)
        )
        late = [at for at in answers[:4] if at - first >= MINUTE - ROUNDING]
        expect(
            len(set(answers[3:])) == 1 and len(late) == 1,
            wo="Ein zweiter Kunde, sechs Fragen zugleich, drei davon nach NL-04",
            warum=f"Seine Uhrzeiten, gerechnet ab der ersten: {told}. Von vier Nummern dürfen drei sofort und eine nach 60 s; "
            "NL-04 hat nur eine Uhrzeit.",
            weiter="Jede Ausführung führt ihr eigenes Buch, und zwischen Prüfen und Eintragen darf kein `await` stehen.",
        )


async def umzug(bench: Bench) -> None:
    """Nach je zwölf Uhrzeiten beginnt eine neue Event History; Fenster und Antworten bleiben, Altes nicht."""
    async with bench.worker("workflow:QuotaWorkflow") as worker:
        tea = await Customer.new(bench, worker)
        first, _ = await tea.input()
        await tea.ask_new(*(f"NL-{n:02d}" for n in range(1, PER_RUN + 1)))
        await tea.repeat("NL-12", "nach zwölf Uhrzeiten")
        second, _ = await tea.input()
        expect(
            second != first,
            wo="Run-ID nach zwölf Uhrzeiten",
            warum=f"Sie ist noch dieselbe; die Event History hat {len((await tea.handle.fetch_history()).events)} Events und "
            "wächst mit jeder Frage.",
            weiter="`run` wartet, bis zwölf Uhrzeiten vergeben sind, und ruft dann `workflow.continue_as_new` auf.",
        )
        await tea.repeat("NL-05", "nach dem Continue-As-New")
        await tea.ask_new("NL-13")
        await tea.forward(timedelta(days=3))
        await tea.ask_new(*(f"NL-{n:02d}" for n in range(14, 14 + PER_RUN)))
        third, carried = await tea.input()
        expect(
            third != second,
            wo="Run-ID nach weiteren zwölf Uhrzeiten",
            warum="Der zweite Lauf hat keinen dritten begonnen.",
            weiter="Was im ersten Lauf gilt, gilt in jedem: Sehen Sie nach, womit der Zähler nach dem Umzug beginnt.",
        )
        old = [name for name in list(tea.permits)[:13] if name.encode() in carried]
        expect(
            not old,
            wo="Eingabe des dritten Laufs",
            warum=f"Sie hat {len(carried)} Bytes und enthält noch {', '.join(old[:3])} und {max(len(old) - 3, 0)} weitere. Deren "
            "Uhrzeiten liegen mehr als 24 Stunden zurück und begrenzen nichts mehr; nach einem Jahr wären es 3.650.",
            weiter="Streichen Sie bei jeder neuen Uhrzeit, was älter als das größte Fenster ist.",
        )


CHECKS = (fenster, umzug)
START_FAILS = "4 Anfragen in weniger als 60 s"
WRONG = (
    Wrong(
        "von jetzt aus zurückgezählt",
        changes=(
            (
                "        if len(times) >= 3:\n            slot = max(slot, times[-3] + MINUTE)\n",
                "        recent = [at for at in times if at > now - MINUTE]\n        if len(recent) >= 3:\n            slot = max(slot, recent[0] + MINUTE)\n",
            ),
        ),
        expected="nicht von jetzt und nicht von einer vollen Minute",
    ),
    Wrong(
        "jede Frage bekommt eine neue Uhrzeit",
        changes=(
            (
                "        if request_id in self._permits:\n            return self._permits[request_id]\n",
                "",
            ),
        ),
        expected="Zweite Frage nach NL-07, gleich danach",
    ),
    Wrong(
        "leer neu begonnen",
        changes=(
            (
                "workflow.continue_as_new(State(self._permits))",
                "workflow.continue_as_new(None)",
            ),
        ),
        expected="Zweite Frage nach NL-12",
    ),
    Wrong(
        "nur die Uhrzeiten mitgenommen",
        changes=(
            (
                "State(self._permits))",
                'State({f"alt-{n}": at for n, at in enumerate(self._permits.values())}))',
            ),
        ),
        expected="Die Frage gehört zum Zustand",
    ),
    Wrong(
        "nie vergessen",
        changes=((" if at > now - DAY}", "}"),),
        expected="begrenzen nichts mehr",
    ),
)
