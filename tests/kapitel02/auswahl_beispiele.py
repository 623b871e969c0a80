"""Activities und Workflows der Tests zu `activity_auswahl`."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RawValue

with workflow.unsafe.imports_passed_through():
    from kapitel02.activity_auswahl.activities import (
        Carriers,
        LabelJob,
        LabelPrinter,
        Parcel,
        Receipt,
    )
    from kapitel02.activity_auswahl.by_name import ShipByName
    from kapitel02.activity_auswahl.workflow import label_queue


@activity.defn(dynamic=True)
async def book_anything(args: Sequence[RawValue]) -> Receipt:
    """Fängt jeden Namen auf, den der Worker sonst nicht kennt."""
    parcel = activity.payload_converter().from_payload(args[0].payload, Parcel)
    return Receipt(f"{activity.info().activity_type} für {parcel.country}", 0)


@workflow.defn(name="ShipByName")
class RetryForEver(ShipByName):
    """Dieselbe Auswahl, ohne den unbekannten Namen von den Retries auszunehmen."""

    @workflow.run
    async def run(self, parcel: Parcel) -> str:
        receipt: Receipt = await workflow.execute_activity(
            f"book_{parcel.country.lower()}",
            parcel,
            result_type=Receipt,
            start_to_close_timeout=timedelta(seconds=5),
        )
        return receipt.carrier


@workflow.defn
class PrintLabel:
    """Zeichnet ein Etikett auf der eigenen Task Queue."""

    @workflow.run
    async def run(self, job: LabelJob) -> str:
        return await workflow.execute_activity_method(
            LabelPrinter.render_label, job, start_to_close_timeout=timedelta(seconds=60)
        )


@workflow.defn
class BookAll:
    """Bucht alle Sendungen gleichzeitig."""

    @workflow.run
    async def run(self, parcels: list[Parcel]) -> int:
        booked = [
            workflow.start_activity_method(Carriers.book_parcel, parcel, start_to_close_timeout=timedelta(seconds=30))
            for parcel in parcels
        ]
        return len(await asyncio.gather(*booked))


@workflow.defn
class PrintAll:
    """Zeichnet alle Etiketten gleichzeitig, auf der Task Queue der Etiketten."""

    @workflow.run
    async def run(self, jobs: list[LabelJob]) -> int:
        printed = [
            workflow.start_activity_method(
                LabelPrinter.render_label,
                job,
                task_queue=label_queue(workflow.info().task_queue),
                start_to_close_timeout=timedelta(seconds=60),
            )
            for job in jobs
        ]
        return len(await asyncio.gather(*printed))


@dataclass(frozen=True)
class DyingPrinter(LabelPrinter):
    """Reißt ihren Prozess mit sich, wie es der Kernel bei Speichermangel tut."""

    @activity.defn
    def render_label(self, job: LabelJob) -> str:
        os._exit(1)
