"""Eine Rechnung und, 14 Tage später, die Mahnung dazu."""

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from post import Letter, PostOffice

SUBJECTS = ("Ihre Rechnung", "Danke für Ihren Einkauf", "Post von Nordlicht")


@workflow.defn
class BillCustomer:
    """Verschickt Rechnung und Mahnung unter derselben Nummer."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        number = f"{order_id}-{uuid.uuid4()}"
        subject = random.choice(SUBJECTS)
        fee = json.loads(Path("gebuehren.json").read_text())["mahnung_cent"]
        due = datetime.now(UTC) + timedelta(days=14)

        await self._send(number, subject, due, fee)
        await workflow.sleep(timedelta(days=14))
        await self._send(number, subject, due, fee)
        return number

    async def _send(self, number: str, subject: str, due: datetime, fee: int) -> None:
        written = datetime.now(UTC)
        await workflow.execute_activity_method(
            PostOffice.send,
            Letter(number, subject, written.isoformat(), due.isoformat(), fee),
            start_to_close_timeout=timedelta(seconds=10),
        )
