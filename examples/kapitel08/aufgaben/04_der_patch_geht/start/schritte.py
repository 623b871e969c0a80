"""Die Schritte eines Auftrags. Diese Datei ist vorgegeben; die Prüfung betreibt sie."""

from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

STEP: dict[str, Any] = {"start_to_close_timeout": timedelta(seconds=10)}


@activity.defn
async def confirm_order(order_id: str) -> None:
    """Bestätigt den Auftrag."""
    raise NotImplementedError


@activity.defn
async def check_fraud(order_id: str) -> None:
    """Prüft den Auftrag auf Betrug."""
    raise NotImplementedError


@activity.defn
async def charge_payment(order_id: str) -> None:
    """Bucht den Betrag ab."""
    raise NotImplementedError


@activity.defn
async def ship_parcel(order_id: str) -> str:
    """Übergibt das Paket und gibt seine Nummer zurück."""
    raise NotImplementedError


async def until_stock(order_id: str) -> None:
    """Der Anfang jeder Stufe: bestätigen und drei Tage auf Ware warten."""
    await workflow.execute_activity(confirm_order, order_id, **STEP)
    await workflow.sleep(timedelta(days=3))


async def pay_and_ship(order_id: str) -> str:
    """Das Ende jeder Stufe: abbuchen, einen Tag auf den Fahrer warten, übergeben."""
    await workflow.execute_activity(charge_payment, order_id, **STEP)
    await workflow.sleep(timedelta(days=1))
    return await workflow.execute_activity(ship_parcel, order_id, **STEP)
