"""Das Kontingent: „100 in der Minute und 1.000 am Tag“. Ohne Temporal, ohne Uhr.

Wer es benutzt, sagt ihm, wie spät es ist. Alle Zeiten sind `datetime` mit Zeitzone.
"""

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


# --8<-- [start:quota]
@dataclass(frozen=True)
class Quota:
    """Was der Anbieter einem Kunden erlaubt; `window` und `tolerance` in Sekunden."""

    per_window: int = 100
    window: float = 60.0
    per_day: int = 1000
    zone: str = "Europe/Berlin"
    """In dieser Zeitzone beginnt beim Anbieter der Tag."""
    tolerance: float = 2.0
    """So spät darf eine Anfrage nach Beginn ihrer Erlaubnis ankommen.

    Die erste Hälfte gehört dem Worker, die zweite dem Weg zum Anbieter.
    """
    horizon_days: float = 2.0
    """Weiter im Voraus vergibt das Kontingent nichts."""
    # --8<-- [end:quota]
    events_per_run: int = 2000
    """Danach beginnt der Workflow des Kontingents eine neue Event History."""

    @property
    def spacing(self) -> timedelta:
        """So weit liegen eine Erlaubnis und die `per_window`-te danach auseinander."""
        return timedelta(seconds=self.window + self.tolerance)


@dataclass(frozen=True)
class Permit:
    """Die Erlaubnis zu genau einer Anfrage; dazwischen beginnt die Activity (UTC)."""

    not_before: datetime
    not_after: datetime


@dataclass
class PermitBook:
    """Der ganze Zustand; `permits` kennt, was noch gilt, `slots` das letzte Fenster."""

    quota: Quota = field(default_factory=Quota)
    slots: list[datetime] = field(default_factory=list)
    day: str = ""
    used_today: int = 0
    permits: dict[str, Permit] = field(default_factory=dict)
    granted: int = 0

    # --8<-- [start:next]
    def next_slot(self, now: datetime) -> datetime:
        """Der früheste Zeitpunkt, zu dem noch eine Anfrage erlaubt ist."""
        quota = self.quota
        slot = max([now, *self.slots[-1:]])
        if len(self.slots) >= quota.per_window:
            slot = max(slot, self.slots[-quota.per_window] + quota.spacing)  # (!)
        midnight = self._next_midnight(slot)
        used_up = self._day(slot) == self.day and self.used_today >= quota.per_day
        if used_up or slot + timedelta(seconds=quota.tolerance) >= midnight:
            return midnight
        return slot

    # --8<-- [end:next]

    def wait(self, request_id: str, now: datetime) -> timedelta:
        """So lange kommt die Frage zu früh; null heißt: Sie wird beantwortet."""
        if self._valid(request_id, now):
            return timedelta()
        horizon = now + timedelta(days=self.quota.horizon_days)
        return max(self.next_slot(now) - horizon, timedelta())

    def _valid(self, request_id: str, now: datetime) -> Permit | None:
        known = self.permits.get(request_id)
        return known if known and known.not_after >= now else None

    # --8<-- [start:grant]
    def grant(self, request_id: str, now: datetime) -> Permit:
        """Vergibt eine Erlaubnis; dieselbe `request_id` bekommt dieselbe."""
        if known := self._valid(request_id, now):
            return known  # (!)
        slot = self.next_slot(now)
        day = self._day(slot)
        self.used_today = self.used_today + 1 if day == self.day else 1
        self.day = day
        self.slots = [*self.slots, slot][-self.quota.per_window :]
        self.granted += 1
        permit = Permit(slot, slot + timedelta(seconds=self.quota.tolerance / 2))
        self.permits = {k: p for k, p in self.permits.items() if p.not_after >= now}
        self.permits[request_id] = permit
        return permit

    # --8<-- [end:grant]

    # --8<-- [start:day]
    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(ZoneInfo(self.quota.zone))

    def _day(self, moment: datetime) -> str:
        return self._local(moment).date().isoformat()

    def _next_midnight(self, moment: datetime) -> datetime:
        local = self._local(moment)
        # Erst das Datum, dann die Zone: Ein Tag hat hier 23, 24 oder 25 Stunden.
        tomorrow = datetime.combine(
            local.date() + timedelta(days=1), time(), local.tzinfo
        )
        return tomorrow.astimezone(moment.tzinfo)

    # --8<-- [end:day]
