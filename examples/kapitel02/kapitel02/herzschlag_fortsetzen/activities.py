"""Die lange Activity: 1.000 Pakete anmelden, jederzeit unterbrechbar."""

from dataclasses import dataclass
from pathlib import Path

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from kapitel02.herzschlag_fortsetzen.services import Carrier, read_manifest


@dataclass(frozen=True)
class DayEnd:
    """Ein Tagesabschluss. `heartbeat_seconds`: So lange darf die Activity schweigen."""

    manifest: str
    heartbeat_seconds: float = 30


@dataclass(frozen=True)
class Report:
    """Ergebnis: die letzte Zeile und die Zeile, an der dieser Versuch begann."""

    last_row: int
    resumed_at: int


# --8<-- [start:position]
@dataclass(frozen=True)
class Position:
    """Was im Heartbeat steht: die Zeile, die als Nächstes dran ist."""

    next_row: int = 1


def last_position() -> Position:
    """Die Position aus dem letzten Heartbeat des vorigen Versuchs, sonst der Anfang."""
    details = activity.info().heartbeat_details
    return Position(**details[0]) if details else Position()


# --8<-- [end:position]


# --8<-- [start:stop]
def stop_if_asked() -> None:
    """Hört zwischen zwei Paketen auf, wenn Worker oder Workflow es verlangen."""
    if activity.is_worker_shutdown():
        raise ApplicationError("Der Worker wird beendet.", type="WorkerShutdown")
    if activity.is_cancelled():
        raise CancelledError("Abbruch zwischen zwei Paketen")


# --8<-- [end:stop]


class ParcelSteps:
    """Die Activity. Idempotent je Paket; der Schlüssel ist die Paketnummer."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    # --8<-- [start:announce]
    @activity.defn(no_thread_cancel_exception=True)
    def announce_parcels(self, job: DayEnd) -> Report:
        """Meldet alle Pakete der Liste an, ab der gemerkten Zeile."""
        start = last_position().next_row
        row = start - 1
        for parcel in read_manifest(Path(job.manifest), start):
            stop_if_asked()
            self._carrier.announce(parcel, key=parcel.number)  # (1)
            row = parcel.row
            activity.heartbeat(Position(next_row=row + 1))  # (2)
        return Report(last_row=row, resumed_at=start)

    # --8<-- [end:announce]
