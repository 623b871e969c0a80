"""Die lange Activity: Sie bucht die Preisliste Zeile für Zeile ins Lager."""

from lager import Warehouse
from temporalio import activity


class PriceImport:
    """Der Import; `folder` ist der Ordner mit dem Buch des Lagers."""

    def __init__(self, folder: str) -> None:
        self._warehouse = Warehouse(folder)

    @activity.defn
    def import_rows(self, last_row: int) -> int:
        """Bucht bis `last_row`; gibt die Zeile zurück, mit der der Versuch begann."""
        details = activity.info().heartbeat_details
        start = int(details[0]) if details else 1
        for row in range(start, last_row + 1):
            self._warehouse.book(row)
            activity.heartbeat(row + 1)
        return start
