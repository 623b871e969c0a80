"""Falsch: Schlüssel, die ein Reset nicht übersteht."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity

from kapitel08.zuruecksetzen.activities import OrderActivities
from kapitel08.zuruecksetzen.ledger import Till
from kapitel08.zuruecksetzen.models import Bill


class RunIdActivities(OrderActivities):
    """Falsch: Nach einem Reset hat derselbe Auftrag eine neue Run-ID."""

    def __init__(self, folder: Path, discount: int) -> None:
        super().__init__(folder, discount)
        self._own = Till(folder)

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, mit der falschen Kasse."""
        return [self.reserve, self.quote, self.collect]

    # --8<-- [start:collect]
    @activity.defn
    def collect(self, bill: Bill) -> int:
        """Falsch: Für die Kasse ist der neue Lauf ein neuer Auftrag."""
        key = activity.info().workflow_run_id  # (!)
        return self._own.settle("Kasse", str(key), bill.due)

    # --8<-- [end:collect]


class FirstWriteActivities(RunIdActivities):
    """Falsch: Die erste Buchung gewinnt, auch wenn sie verkehrt war."""

    # --8<-- [start:first]
    @activity.defn
    def collect(self, bill: Bill) -> int:
        """Falsch: schützt vor der doppelten Buchung und verhindert die Korrektur."""
        key = activity.info().workflow_id or ""
        if any(one == key for one, _ in self._own.entries("Kasse")):  # (!)
            return 0
        return self._own.settle("Kasse", key, bill.due)

    # --8<-- [end:first]
