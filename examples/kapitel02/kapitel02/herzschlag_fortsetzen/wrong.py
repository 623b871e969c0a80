"""Falscher Code: Die Tests zählen die Pakete, die Seite zeigt den Schaden."""

import contextvars
import threading
from pathlib import Path

from temporalio import activity

from kapitel02.herzschlag_fortsetzen.activities import (
    DayEnd,
    ParcelSteps,
    Position,
    Report,
    last_position,
)
from kapitel02.herzschlag_fortsetzen.services import read_manifest


class FromTheStartSteps(ParcelSteps):
    """Falsch: Der Heartbeat trägt die Position, aber niemand liest sie."""

    # --8<-- [start:from-start]
    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Beginnt jeden Versuch bei Zeile 1."""
        row = 0
        for parcel in read_manifest(Path(job.manifest), 1):  # (!)
            self._carrier.announce(parcel, key=parcel.number)
            row = parcel.row
            activity.heartbeat(Position(next_row=row + 1))
        return Report(last_row=row, resumed_at=1)

    # --8<-- [end:from-start]


class SkippingSteps(ParcelSteps):
    """Falsch: Der Heartbeat meldet ein Paket, bevor es angemeldet ist."""

    # --8<-- [start:skipping]
    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Meldet die Zeile zuerst, das Paket danach."""
        start = last_position().next_row
        row = start - 1
        for parcel in read_manifest(Path(job.manifest), start):
            row = parcel.row
            activity.heartbeat(Position(next_row=row + 1))  # (!)
            self._carrier.announce(parcel, key=parcel.number)
        return Report(last_row=row, resumed_at=start)

    # --8<-- [end:skipping]


class LastDoneSteps(ParcelSteps):
    """Falsch: Im Heartbeat steht die erledigte Zeile, begonnen wird wieder mit ihr."""

    # --8<-- [start:last-done]
    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Merkt sich die letzte Zeile und fängt mit ihr wieder an."""
        start = last_position().next_row
        row = start - 1
        for parcel in read_manifest(Path(job.manifest), start):
            self._carrier.announce(parcel)
            row = parcel.row
            activity.heartbeat(Position(next_row=row))  # (!)
        return Report(last_row=row, resumed_at=start)

    # --8<-- [end:last-done]


class KeylessSteps(ParcelSteps):
    """Falsch: Die Position stimmt, aber das Paket in Arbeit hat keinen Schlüssel."""

    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Setzt richtig fort und meldet ohne Schlüssel an."""
        start = last_position().next_row
        row = start - 1
        for parcel in read_manifest(Path(job.manifest), start):
            self._carrier.announce(parcel)
            row = parcel.row
            activity.heartbeat(Position(next_row=row + 1))
        return Report(last_row=row, resumed_at=start)


class SilentSteps(ParcelSteps):
    """Falsch: Ein Lebenszeichen ohne Inhalt."""

    # --8<-- [start:silent]
    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Liest die Position, schreibt sie aber nie."""
        start = last_position().next_row
        row = start - 1
        for parcel in read_manifest(Path(job.manifest), start):
            self._carrier.announce(parcel, key=parcel.number)
            row = parcel.row
            activity.heartbeat()  # (!)
        return Report(last_row=row, resumed_at=start)

    # --8<-- [end:silent]


class BackgroundSteps(ParcelSteps):
    """Falsch: Ein eigener Thread schlägt, ob die Arbeit vorangeht oder nicht."""

    # --8<-- [start:background]
    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Lässt einen Thread den Puls geben, während ein anderer arbeitet."""
        done = threading.Event()

        def beat() -> None:
            while not done.wait(0.1):
                activity.heartbeat()  # (!)

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(beat,), daemon=True).start()
        try:
            return super().announce_parcels(job)
        finally:
            done.set()

    # --8<-- [end:background]
