"""Nachrichten an die Kundschaft."""

from temporalio import activity


@activity.defn
async def notify_customer(number: str, label: str) -> str:
    """Sagt der Kundschaft, dass ihr Paket unterwegs ist."""
    return f"{number}: {label} ist unterwegs"
