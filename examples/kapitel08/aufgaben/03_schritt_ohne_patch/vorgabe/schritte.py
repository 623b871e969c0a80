"""Die Schritte eines Auftrags. Diese Datei ist vorgegeben; die Prüfung betreibt sie."""

from temporalio import activity


@activity.defn
async def confirm_order(order_id: str) -> None:
    """Bestätigt den Auftrag."""
    raise NotImplementedError


@activity.defn
async def check_fraud(order_id: str) -> bool:
    """Ob der Auftrag harmlos ist."""
    raise NotImplementedError


@activity.defn
async def charge_payment(order_id: str) -> None:
    """Bucht den Betrag ab."""
    raise NotImplementedError
