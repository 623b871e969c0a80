"""Der Worker des Teams: mit Codec, sonst wie immer."""

import dataclasses

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.worker import Worker
from workflow import RefundWorkflow, transfer_money

from kapitel16.verschluesselung.codec import EncryptionCodec
from kapitel16.verschluesselung.keys import KeyRing


def create_worker(client: Client, task_queue: str, ring: KeyRing) -> Worker:
    """Ein Worker, verbunden wie im Aufgabentext."""
    config = client.config()
    config["data_converter"] = dataclasses.replace(
        DataConverter.default, payload_codec=EncryptionCodec(ring)
    )
    return Worker(
        Client(**config),
        task_queue=task_queue,
        workflows=[RefundWorkflow],
        activities=[transfer_money],
    )
