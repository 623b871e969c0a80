"""Eine Rechnung und, 14 Tage später, die Mahnung dazu."""

from datetime import datetime, timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import activities
    from post import Letter, PostOffice

SUBJECTS = ("Ihre Rechnung", "Danke für Ihren Einkauf", "Post von Nordlicht")


@workflow.defn
class BillCustomer:
    """Verschickt Rechnung und Mahnung unter derselben Nummer."""

    @workflow.run
    async def run(self, order_id: str) -> str:
        number = f"{order_id}-{workflow.uuid4()}"
        subject = workflow.random().choice(SUBJECTS)
        fee = await workflow.execute_activity(
            activities.read_fee, start_to_close_timeout=timedelta(seconds=10)
        )
        due = workflow.now() + timedelta(days=14)

        await self._send(number, subject, due, fee)
        await workflow.sleep(timedelta(days=14))
        await self._send(number, subject, due, fee)
        return number

    async def _send(self, number: str, subject: str, due: datetime, fee: int) -> None:
        written = workflow.now()
        await workflow.execute_activity_method(
            PostOffice.send,
            Letter(number, subject, written.isoformat(), due.isoformat(), fee),
            start_to_close_timeout=timedelta(seconds=10),
        )
