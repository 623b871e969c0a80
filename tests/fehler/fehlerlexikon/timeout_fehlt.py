"""Dem Aufruf einer Activity fehlt das Timeout."""

from datetime import timedelta

from temporalio import activity, workflow


@activity.defn
async def print_label(parcel: str) -> str:
    """Druckt das Etikett; idempotent über die Paketnummer."""
    return f"Etikett {parcel}"


@workflow.defn(name="ShipParcel")
class Wrong:
    """ohne Timeout."""

    # --8<-- [start:falsch]
    @workflow.run
    async def run(self, parcel: str) -> str:
        """Gibt das Etikett zurück."""
        return await workflow.execute_activity(print_label, parcel)  # (!)

    # --8<-- [end:falsch]


@workflow.defn(name="ShipParcel")
class Right:
    """mit Timeout."""

    # --8<-- [start:richtig]
    @workflow.run
    async def run(self, parcel: str) -> str:
        """Gibt das Etikett zurück."""
        return await workflow.execute_activity(
            print_label,
            parcel,
            start_to_close_timeout=timedelta(seconds=10),  # (!)
        )

    # --8<-- [end:richtig]
