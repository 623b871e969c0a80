"""Die Schritte im Lager. Jeder trägt ein, welche Version des Workers ihn getan hat."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity

from kapitel08.worker_versionierung.book import WarehouseBook
from kapitel08.worker_versionierung.models import Task


class WarehouseActivities:
    """Schreibt ins Lagerbuch. Idempotent über Nummer, Schritt und Gegenstand."""

    def __init__(self, folder: Path, build_id: str) -> None:
        self._book = WarehouseBook(folder)
        self._build_id = build_id

    def _write(self, task: Task) -> None:
        step = activity.info().activity_type
        key = f"{task.number}/{step}/{task.subject}"
        self._book.write(key, task.number, step, self._build_id)

    @activity.defn
    def check_address(self, task: Task) -> None:
        """Prüft die Anschrift; gibt es erst ab Version 2.0."""
        self._write(task)

    @activity.defn
    def reserve_stock(self, task: Task) -> None:
        """Reserviert die Ware."""
        self._write(task)

    @activity.defn
    def ship_parcel(self, task: Task) -> None:
        """Übergibt das Paket dem Versanddienst in `task.subject`."""
        self._write(task)

    @activity.defn
    def announce_return(self, task: Task) -> None:
        """Kündigt die Retoure im Lager an; gibt es erst ab Version 2.0."""
        self._write(task)

    @activity.defn
    def send_label(self, task: Task) -> None:
        """Schickt das Etikett für die Rücksendung."""
        self._write(task)

    @activity.defn
    def refund(self, task: Task) -> None:
        """Erstattet den Kaufpreis."""
        self._write(task)

    @activity.defn
    def count_shelf(self, task: Task) -> None:
        """Zählt das Regal in `task.subject`."""
        self._write(task)

    @activity.defn
    def report_shelf(self, task: Task) -> None:
        """Meldet das gezählte Regal der Buchhaltung; gibt es erst ab Version 2.0."""
        self._write(task)

    def all(self) -> list[Callable[..., Any]]:
        """Alle Activities, für den Worker."""
        return [
            self.check_address,
            self.reserve_stock,
            self.ship_parcel,
            self.announce_return,
            self.send_label,
            self.refund,
            self.count_shelf,
            self.report_shelf,
        ]
