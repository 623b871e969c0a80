"""Der Schalter: geschlossen, offen, halb offen. Ohne Temporal, ohne Uhr, ohne Threads.

Beide Formen des Musters benutzen ihn: im Prozess eines Workers und im Workflow. Wer ihn
benutzt, sagt ihm, wie spät es ist, in Sekunden einer Uhr, die nur vorwärts geht.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Die drei Stellungen des Schalters."""

    CLOSED = "geschlossen"
    OPEN = "offen"
    HALF_OPEN = "halb offen"


# --8<-- [start:settings]
@dataclass(frozen=True)
class BreakerSettings:
    """Wann der Schalter öffnet und wie er wieder schließt; Zeiten in Sekunden."""

    failures_to_open: int = 5
    cooldown: float = 30.0
    probes: int = 2
    probe_timeout: float = 30.0
    """Eine Probe, die so lange nichts meldet, gilt als gescheitert."""
    probe_pause: float = 2.0
    """So lange wartet, wer während der Proben keine mehr bekommt."""
    # --8<-- [end:settings]
    events_per_run: int = 2000
    """Danach beginnt der Workflow des Schalters eine neue Event History."""


@dataclass(frozen=True)
class Permit:
    """Die Erlaubnis zu einem Aufruf: ihre Nummer, die Phase, in der sie galt."""

    number: int
    phase: int
    report_success: bool


@dataclass(frozen=True)
class Answer:
    """Entweder eine Erlaubnis oder die Sekunden bis zur nächsten Frage."""

    permit: Permit | None
    wait: float = 0.0


@dataclass(frozen=True)
class Report:
    """Wie ein erlaubter Aufruf ausging; `answered`: Der Dienst hat geantwortet."""

    permit: Permit
    answered: bool


@dataclass(frozen=True)
class Probe:
    """Ein Probeaufruf, der noch unterwegs ist."""

    number: int
    since: float


@dataclass
class Breaker:
    """Der ganze Zustand. Er besteht aus einfachen Daten und überlebt so ein
    Continue-As-New.
    """

    settings: BreakerSettings = field(default_factory=BreakerSettings)
    state: State = State.CLOSED
    phase: int = 0
    granted: int = 0
    failures: list[int] = field(default_factory=list)
    open_until: float = 0.0
    probes: list[Probe] = field(default_factory=list)
    passed: int = 0

    # --8<-- [start:ask]
    def refusal(self, now: float) -> float:
        """Sekunden bis zur nächsten Frage; 0 heißt: Der Aufruf wäre jetzt erlaubt."""
        if self.state is State.OPEN:
            return max(0.0, self.open_until - now)
        if self.state is State.HALF_OPEN and not self._lost_probe(now):
            taken = len(self.probes) + self.passed
            return self.settings.probe_pause if taken >= self.settings.probes else 0.0
        return 0.0

    def ask(self, now: float) -> Answer:
        """Erlaubt einen Aufruf oder nennt die Wartezeit."""
        if self._lost_probe(now):
            self._open(now)
        if wait := self.refusal(now):
            return Answer(None, wait)
        if self.state is State.OPEN:
            self._enter(State.HALF_OPEN)
        self.granted += 1
        if self.state is State.HALF_OPEN:
            self.probes.append(Probe(self.granted, now))
        report_success = self.state is State.HALF_OPEN or bool(self.failures)
        return Answer(Permit(self.granted, self.phase, report_success))

    # --8<-- [end:ask]

    # --8<-- [start:report]
    def report(self, report: Report, now: float) -> None:
        """Verbucht, wie ein Aufruf ausging; jede Erlaubnis zählt höchstens einmal."""
        permit = report.permit
        if permit.phase != self.phase:
            return  # Der Aufruf stammt aus einer Phase, die vorbei ist.
        if self.state is State.CLOSED:
            if report.answered:
                self.failures.clear()
            elif permit.number not in self.failures:
                self.failures.append(permit.number)
                if len(self.failures) >= self.settings.failures_to_open:
                    self._open(now)
        elif any(probe.number == permit.number for probe in self.probes):
            if not report.answered:
                self._open(now)
                return
            self.probes = [p for p in self.probes if p.number != permit.number]
            self.passed += 1
            if self.passed >= self.settings.probes:
                self._enter(State.CLOSED)

    # --8<-- [end:report]

    # --8<-- [start:transitions]
    def _open(self, now: float) -> None:
        self._enter(State.OPEN)
        self.open_until = now + self.settings.cooldown

    def _enter(self, state: State) -> None:
        self.state, self.phase = state, self.phase + 1
        self.failures, self.probes = [], []
        self.passed, self.open_until = 0, 0.0

    def _lost_probe(self, now: float) -> bool:
        """Hat ein Probeaufruf zu lange nichts gemeldet, etwa nach einem Absturz?"""
        limit = self.settings.probe_timeout
        return any(now - probe.since >= limit for probe in self.probes)

    # --8<-- [end:transitions]
