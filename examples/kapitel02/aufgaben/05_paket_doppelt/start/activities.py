"""Die Activity: Sie bestellt ein Paket beim Paketdienst."""

import uuid

import paketdienst
from temporalio import activity


class ParcelDesk:
    """Der Platz, an dem Pakete bestellt werden; `book` ist das Buch des Dienstes."""

    def __init__(self, book: str) -> None:
        self._book = book

    @activity.defn
    def order_parcel(self, order_id: str, content: str) -> str:
        """Bestellt ein Paket und gibt seine Nummer zurück."""
        # Lücke: Dieser Schlüssel ist in jedem Versuch ein anderer.
        key = str(uuid.uuid4())
        return paketdienst.order_parcel(self._book, key, f"{order_id}: {content}")
