"""Lager, Zahlung und Versand. Diese Datei ist vorgegeben; die Prüfung betreibt sie."""

from temporalio import activity


@activity.defn
async def reserve_stock(order_id: str) -> None:
    """Legt die Ware zurück."""
    raise NotImplementedError


@activity.defn
async def release_stock(order_id: str) -> None:
    """Gibt die Ware frei; ist nichts zurückgelegt, tut sie nichts."""
    raise NotImplementedError


@activity.defn
async def charge_payment(order_id: str) -> None:
    """Bucht ab; lehnt die Bank ab, scheitert sie."""
    raise NotImplementedError
