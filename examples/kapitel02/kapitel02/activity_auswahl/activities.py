"""Die Activities: drei Arten für drei Arten von Arbeit."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from temporalio import activity

from kapitel02.activity_auswahl.labels import raster
from kapitel02.activity_auswahl.services import ROUTES, Ledger, place, read_tariff


@dataclass(frozen=True)
class Parcel:
    """Eine Sendung; `parcel_id` ist zugleich ihr Idempotenzschlüssel."""

    parcel_id: str
    grams: int
    country: str = "DE"


@dataclass(frozen=True)
class Shipment:
    """Eine Bestellung mit mehreren Sendungen, gleichzeitig oder nacheinander."""

    shipment_id: str
    parcels: Sequence[Parcel]
    one_by_one: bool = False


@dataclass(frozen=True)
class Tariff:
    """Bis zu welchem Gewicht in Gramm etwas ein Brief und ein Paket ist."""

    letter_grams: int
    parcel_grams: int


@dataclass(frozen=True)
class Routes:
    """Welche Activity ein Land beliefert, nach Namen."""

    by_country: Mapping[str, str]


@dataclass(frozen=True)
class Receipt:
    """Die Antwort eines Versanddienstes."""

    carrier: str
    number: int


@dataclass(frozen=True)
class LabelJob:
    """Ein Etikett: wofür, womit, wie fein (Punkte in der Breite)."""

    parcel_id: str
    receipt: Receipt
    dots: int = 200


@dataclass(frozen=True)
class Dispatch:
    """Eine fertige Sendung."""

    parcel_id: str
    receipt: Receipt
    label: str


class Carriers:
    """Die Versanddienste. Jede Buchung ist idempotent über `parcel_id`."""

    def __init__(self, folder: Path, letter_port: int, slow: float = 0) -> None:
        self._folder = folder
        self._letter_port = letter_port
        self._ledger = Ledger(folder, slow)

    # --8<-- [start:async]
    @activity.defn
    async def book_letter(self, parcel: Parcel) -> Receipt:
        """Wartet aufs Netz mit einer asynchronen Bibliothek: in der Event-Loop."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._letter_port)
        request = {"key": parcel.parcel_id, "place": place()}
        writer.write(json.dumps(request).encode() + b"\n")
        number = int(await reader.readline())
        writer.close()
        return Receipt("Brief", number)

    # --8<-- [end:async]

    # --8<-- [start:thread]
    @activity.defn
    def book_parcel(self, parcel: Parcel) -> Receipt:
        """Wartet mit einer blockierenden Bibliothek: in einem Thread."""
        number = self._ledger.book("Paket", parcel.parcel_id, place())
        return Receipt("Paket", number)

    # --8<-- [end:thread]

    @activity.defn
    def book_abroad(self, parcel: Parcel) -> Receipt:
        """Bucht ins Ausland; wie `book_parcel` in einem Thread."""
        number = self._ledger.book("Ausland", parcel.parcel_id, place())
        return Receipt("Ausland", number)

    @activity.defn
    def load_tariff(self) -> Tariff:
        """Liest den Tarif von heute."""
        return Tariff(**read_tariff(self._folder))

    @activity.defn
    def load_routes(self) -> Routes:
        """Liest, welche Activity welches Land beliefert."""
        return Routes(ROUTES)


# --8<-- [start:process]
@dataclass(frozen=True)
class LabelPrinter:
    """Rechnet statt zu warten: in einem eigenen Prozess.

    Die Instanz reist als Pickle dorthin; sie darf keine Verbindung halten.
    """

    folder: Path

    @activity.defn
    def render_label(self, job: LabelJob) -> str:
        """Zeichnet das Etikett; derselbe Auftrag ersetzt dieselbe Datei."""
        text = f"{job.receipt.carrier} {job.receipt.number}"
        file = self.folder / "etiketten" / f"{job.parcel_id}.pbm"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(raster(text, job.dots))
        return f"{file.name} (gezeichnet in: {place()})"


# --8<-- [end:process]
