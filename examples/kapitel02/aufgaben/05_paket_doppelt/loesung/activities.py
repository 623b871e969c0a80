"""Die Activity: Sie bestellt ein Paket beim Paketdienst."""

import paketdienst
from temporalio import activity


class ParcelDesk:
    """Der Platz, an dem Pakete bestellt werden; `book` ist das Buch des Dienstes."""

    def __init__(self, book: str) -> None:
        self._book = book

    @activity.defn
    def order_parcel(self, order_id: str, content: str) -> str:
        """Bestellt ein Paket und gibt seine Nummer zurück."""
        info = activity.info()
        key = f"{info.workflow_id}/{info.activity_id}"
        return paketdienst.order_parcel(self._book, key, f"{order_id}: {content}")
