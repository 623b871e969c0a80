"""Der Workflow: je Sendung den Versanddienst wählen, buchen, das Etikett zeichnen."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from kapitel02.activity_auswahl.activities import (
        Carriers,
        Dispatch,
        LabelJob,
        LabelPrinter,
        Parcel,
        Shipment,
        Tariff,
    )

STEP_TIMEOUT = timedelta(seconds=5)

BookingStep = Callable[[Carriers, Parcel], Any]


# --8<-- [start:choose]
def choose(parcel: Parcel, tariff: Tariff) -> BookingStep:
    """Wählt die Activity; hängt nur von den beiden Argumenten ab."""
    if parcel.grams > tariff.parcel_grams:
        message = f"{parcel.parcel_id} wiegt {parcel.grams} g; kein Dienst nimmt das."
        raise ApplicationError(message, type="TooHeavy", non_retryable=True)
    if parcel.country != "DE":
        return Carriers.book_abroad
    if parcel.grams <= tariff.letter_grams:
        return Carriers.book_letter
    return Carriers.book_parcel


# --8<-- [end:choose]


def label_queue(task_queue: str) -> str:
    """Die Task Queue der Etiketten neben der des Versands."""
    return f"{task_queue}-etiketten"


# --8<-- [start:workflow]
@workflow.defn
class ShipOrder:
    """Erst alle wählen, dann alle buchen."""

    @workflow.run
    async def run(self, shipment: Shipment) -> list[Dispatch]:
        tariff = await workflow.execute_activity_method(
            Carriers.load_tariff,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        parcels = shipment.parcels
        chosen = [(parcel, choose(parcel, tariff)) for parcel in parcels]  # (!)
        if shipment.one_by_one:
            return [await self._dispatch(parcel, book) for parcel, book in chosen]
        return await asyncio.gather(
            *(self._dispatch(parcel, book) for parcel, book in chosen)
        )

    # --8<-- [end:workflow]

    # --8<-- [start:dispatch]
    async def _dispatch(self, parcel: Parcel, book: BookingStep) -> Dispatch:
        receipt = await workflow.execute_activity_method(
            book,  # (!)
            parcel,
            start_to_close_timeout=STEP_TIMEOUT,
        )
        label = await workflow.execute_activity_method(
            LabelPrinter.render_label,
            LabelJob(parcel.parcel_id, receipt),
            task_queue=label_queue(workflow.info().task_queue),
            start_to_close_timeout=STEP_TIMEOUT,
        )
        return Dispatch(parcel.parcel_id, receipt, label)

    # --8<-- [end:dispatch]
