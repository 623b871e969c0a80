"""Falscher Code: So geht es schief. Tests beweisen den Schaden, die Seite zeigt ihn.

`process_order` kommt ohne Temporal aus und vergisst beim Absturz alles. `KeylessSteps`
läuft in Temporal, lässt aber den Schlüssel weg und bucht nach einem Absturz doppelt.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from kapitel01.absturz_und_weiter.activities import Order, Receipt, Steps
from kapitel01.absturz_und_weiter.services import (
    Ledger,
    payment_ledger,
    shipping_ledger,
)
from kapitel01.absturz_und_weiter.workflow import ProcessOrder

THREADS = 8


# --8<-- [start:naive]
def process_order(order: Order, payments: Ledger, parcels: Ledger) -> Receipt:
    """Falsch: Der Fortschritt dieser Funktion lebt nur im Prozess."""
    payment = payments.book(order.order_id, order.amount_cents)
    time.sleep(order.hold_seconds)  # (!frist)
    parcel = parcels.book(order.order_id, 0)
    return Receipt(payment, parcel)


# --8<-- [end:naive]


# --8<-- [start:keyless]
class KeylessSteps(Steps):
    """Wie `Steps`, nur ohne Schlüssel. Falsch: Jeder Versuch bucht neu."""

    @activity.defn
    def charge_payment(self, order: Order) -> int:
        """Zieht den Betrag ein – bei jedem Versuch noch einmal."""
        return self._payments.book(order.order_id, order.amount_cents)


# --8<-- [end:keyless]


def create_keyless_worker(client: Client, folder: Path, *, task_queue: str) -> Worker:
    """Derselbe Worker wie in `worker.py`, aber mit den Schritten ohne Schlüssel."""
    steps = KeylessSteps(payment_ledger(folder), shipping_ledger(folder))
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[ProcessOrder],
        activities=[steps.charge_payment, steps.ship_parcel],
        activity_executor=ThreadPoolExecutor(THREADS),
        max_concurrent_activities=THREADS,
    )


def main() -> None:
    """Kommandozeile: führt die naive Funktion aus, um sie mittendrin zu töten."""
    parser = argparse.ArgumentParser(
        description="Bestellung ohne Temporal: zahlen, warten, versenden."
    )
    parser.add_argument("bestellung", nargs="?", default="B-0815")
    parser.add_argument(
        "--frist", type=int, default=30, help="Stornofrist in Sekunden (30)"
    )
    parser.add_argument(
        "--daten", type=Path, default=Path("nordlicht-daten"), help="Ordner der Bücher"
    )
    arguments = parser.parse_args()
    order = Order(arguments.bestellung, 4990, arguments.frist)
    receipt = process_order(
        order, payment_ledger(arguments.daten), shipping_ledger(arguments.daten)
    )
    print(f"Fertig: Zahlung {receipt.payment}, Paket {receipt.parcel}.")


if __name__ == "__main__":
    main()
