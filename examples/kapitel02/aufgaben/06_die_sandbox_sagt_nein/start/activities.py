"""Ihre Activities."""

from temporalio import activity


@activity.defn
def read_fee() -> int:
    """Die Mahngebühr aus `gebuehren.json`, in Cent."""
    # Lücke: Was hierher gehört, steht noch im Workflow.
    raise NotImplementedError("Hier fehlt noch das Lesen der Datei.")
