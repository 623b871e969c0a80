"""Ein Kundenkonto, das länger lebt als jede Version seines Codes."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
)

with workflow.unsafe.imports_passed_through():
    from kapitel08.zustand_migrieren.activities import AccountActivities
    from kapitel08.zustand_migrieren.models import (
        Account,
        Booking,
        Confirmation,
        Rename,
    )
    from kapitel08.zustand_migrieren.schema import (
        CURRENT,
        Payload,
        join_name,
        read,
        schema_of,
        write,
    )

SCHEMA = SearchAttributeKey.for_int("AccountSchema")
LIMIT = timedelta(seconds=30)


def tagged(schema: int = CURRENT) -> TypedSearchAttributes:
    """Das Suchattribut: in welcher Form die Eingabe eines Laufs gespeichert ist."""
    return TypedSearchAttributes([SearchAttributePair(SCHEMA, schema)])


# --8<-- [start:init]
@workflow.defn
class AccountWorkflow:
    """Ein Konto. Endet COMPLETED, sobald es geschlossen wird; CANCELED nach Abbruch."""

    @workflow.init
    def __init__(self, stored: Payload) -> None:
        """Liest die Eingabe, gleich welche Version sie schrieb."""
        self._account = read(Account, stored)  # (!)
        self._outdated = schema_of(stored) < CURRENT
        self._unconfirmed: list[str] = []
        self._moving = False
        self._closed = False

    # --8<-- [end:init]
    # --8<-- [start:messages]
    @workflow.signal
    def book(self, sent: Payload) -> None:
        """Verbucht einen Betrag; auch ein alter Client darf senden."""
        booking = read(Booking, sent)  # (!)
        if self._account.book(booking):
            self._unconfirmed.append(booking.number)

    @workflow.update
    def rename(self, sent: Payload) -> str:
        """Ändert den Namen und nennt ihn ganz; diese Antwort lesen alle Versionen."""
        name = read(Rename, sent)
        self._account.first_name = name.first_name
        self._account.last_name = name.last_name
        return join_name(name.first_name, name.last_name)

    @rename.validator
    def _require_readable(self, sent: Payload) -> None:
        read(Rename, sent)  # Was sich nicht lesen lässt, kommt gar nicht erst hinein.

    # --8<-- [end:messages]
    # --8<-- [start:move]
    @workflow.signal
    def move(self) -> None:
        """Beginnt eine neue Event History, deren Eingabe die neue Form hat."""
        self._moving = self._outdated

    # --8<-- [end:move]

    @workflow.signal
    def close(self) -> None:
        """Schließt das Konto."""
        self._closed = True

    @workflow.query
    def state(self) -> Payload:
        """Der Zustand in der neuesten Form."""
        return write(self._account)

    # --8<-- [start:run]
    @workflow.run
    async def run(self, stored: Payload) -> Payload:
        """Bestätigt Buchungen, bis das Konto schließt oder umzieht."""
        while True:
            await workflow.wait_condition(
                lambda: bool(self._unconfirmed) or self._leaving()
            )
            if not self._unconfirmed:
                break
            await self._confirm(self._unconfirmed.pop(0))
        if not self._closed:
            workflow.continue_as_new(  # (!)
                write(self._account), search_attributes=tagged()
            )
        return write(self._account)

    def _leaving(self) -> bool:
        full = workflow.info().is_continue_as_new_suggested()
        return self._closed or self._moving or full

    # --8<-- [end:run]

    async def _confirm(self, number: str) -> None:
        account = self._account
        mail = Confirmation(number, account.email, account.balance_cents)
        await workflow.execute_activity_method(
            AccountActivities.confirm_booking,
            write(mail),
            start_to_close_timeout=LIMIT,
        )
