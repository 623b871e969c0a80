"""Ein Ergebnis, das nicht in die History passt."""

from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow

MEBIBYTE = 1024 * 1024


class Catalogue:
    """Rendert den Katalog als PDF in einen Ordner."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    # --8<-- [start:falsch]
    @activity.defn(name="render_catalogue")
    def render_wrong(self, season: str) -> bytes:
        """Gibt das PDF selbst zurück, 3 MiB."""
        return self._render(season)  # (!)

    # --8<-- [end:falsch]

    # --8<-- [start:richtig]
    @activity.defn(name="render_catalogue")
    def render_right(self, season: str) -> str:
        """Legt das PDF ab und gibt nur seinen Namen zurück; idempotent über die Saison."""
        file = self._folder / f"katalog-{season}.pdf"
        file.write_bytes(self._render(season))
        return file.name  # (!)

    # --8<-- [end:richtig]

    def _render(self, season: str) -> bytes:
        return season.encode().ljust(3 * MEBIBYTE)


@workflow.defn(name="PrintCatalogue")
class Wrong:
    """Bekommt das ganze PDF."""

    @workflow.run
    async def run(self, season: str) -> int:
        """Gibt die Größe zurück."""
        pdf = await workflow.execute_activity_method(
            Catalogue.render_wrong, season, start_to_close_timeout=timedelta(seconds=10)
        )
        return len(pdf)


@workflow.defn(name="PrintCatalogue")
class Right:
    """Bekommt den Namen der Datei."""

    @workflow.run
    async def run(self, season: str) -> str:
        """Gibt den Namen zurück."""
        return await workflow.execute_activity_method(
            Catalogue.render_right, season, start_to_close_timeout=timedelta(seconds=10)
        )
