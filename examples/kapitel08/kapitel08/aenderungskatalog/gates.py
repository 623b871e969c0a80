"""Zwei Stellen, an denen jeder Workflow des Katalogs auf das Signal `go` wartet."""

from temporalio import workflow


class Gates:
    """Wartet vor und hinter der Stelle, die sich ändert. Warten allein schreibt kein
    Event; deshalb stört es kein Replay.
    """

    def __init__(self) -> None:
        """Beginnt mit geschlossenen Toren."""
        self._passes = 0
        self._place = "davor"

    # --8<-- [start:gates]
    @workflow.signal
    def go(self) -> None:
        """Öffnet das nächste Tor."""
        self._passes += 1

    # --8<-- [end:gates]

    @workflow.query
    def place(self) -> str:
        """Wo der Lauf steht: `davor`, `darin` oder `dahinter`."""
        return self._place

    # --8<-- [start:gates]
    async def before(self) -> None:
        """Das Tor vor der Änderung."""
        await workflow.wait_condition(lambda: self._passes >= 1)
        self._place = "darin"

    async def after(self) -> None:
        """Das Tor hinter der Änderung."""
        self._place = "dahinter"
        await workflow.wait_condition(lambda: self._passes >= 2)

    # --8<-- [end:gates]
