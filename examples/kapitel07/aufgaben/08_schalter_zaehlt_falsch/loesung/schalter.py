"""Der Schalter: geschlossen, offen, halb offen. Er steht im Speicher des Workers."""

FAILURES_TO_OPEN = 3
COOLDOWN = 600.0
PROBES = 2
PROBE_PAUSE = 30.0
"""So lange wartet, wer während der Proben keine bekommt; Zeiten in Sekunden."""


class Breaker:
    """Öffnet nach drei Störungen in Folge; zwei gelungene Proben schließen ihn."""

    def __init__(self) -> None:
        self.failures = 0
        self.open_until: float | None = None
        """Ende der Abkühlzeit; `None` heißt geschlossen."""
        self.under_way = 0
        """Proben, die noch nichts gemeldet haben."""
        self.passed = 0

    def ask(self, now: float) -> float:
        """Sekunden bis zur nächsten Frage; 0 heißt: Der Aufruf darf hinaus."""
        if self.open_until is None:
            return 0.0
        if now < self.open_until:
            return self.open_until - now
        if self.under_way + self.passed >= PROBES:
            return PROBE_PAUSE
        self.under_way += 1
        return 0.0

    def answered(self) -> None:
        """Der Dienst hat geantwortet."""
        self.failures = 0
        if self.under_way:
            self.under_way -= 1
            self.passed += 1
            if self.passed >= PROBES:
                self.open_until = None

    def failed(self, now: float) -> None:
        """Der Dienst ist gestört."""
        self.failures += 1
        if self.open_until is not None or self.failures >= FAILURES_TO_OPEN:
            self.open_until = now + COOLDOWN
            self.under_way = self.passed = 0
