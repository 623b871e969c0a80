"""Lager, Bank und Versand. Diese Datei ist vorgegeben; die Prüfung betreibt sie."""

from temporalio import activity


@activity.defn
async def reserve_stock(order_id: str) -> None:
    """Reserviert die Ware."""
    raise NotImplementedError


@activity.defn
async def release_stock(order_id: str) -> None:
    """Gibt die Ware frei; ohne Reservierung geschieht nichts."""
    raise NotImplementedError


@activity.defn
async def charge_payment(order_id: str) -> None:
    """Bucht den Betrag ab."""
    raise NotImplementedError


@activity.defn
async def refund_payment(order_id: str) -> None:
    """Erstattet den Betrag; ohne Abbuchung geschieht nichts."""
    raise NotImplementedError


@activity.defn
async def ship_parcel(order_id: str) -> str:
    """Übergibt das Paket dem Fahrer und gibt seine Nummer zurück."""
    raise NotImplementedError
