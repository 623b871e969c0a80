"""Falscher Code: eine Verbindung auf Modulebene, in einer Datei mit einem Workflow."""

import os
import sqlite3

from temporalio import workflow

# --8<-- [start:modul]
DATABASE = os.environ.get("NORDLICHT_LAGER", ":memory:")
CONNECTION = sqlite3.connect(DATABASE)  # (!)


@workflow.defn
class CountParcels:
    """Braucht die Verbindung gar nicht; sie steht nur in derselben Datei."""

    @workflow.run
    async def run(self, parcels: list[str]) -> int:
        return len(parcels)


# --8<-- [end:modul]
