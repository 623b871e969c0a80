"""Version 1: Daten ohne Nummer, Name in einem Feld, Beträge in Euro."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.zustand_migrieren.activities import Outbox


class Tier(StrEnum):
    """Die Stufe eines Kontos."""

    STANDARD = "standard"
    GOLD = "gold"


# --8<-- [start:account]
@dataclass
class Account:
    """Ein Kundenkonto; Beträge in Euro."""

    number: str
    name: str
    mail: str
    fax: str
    balance: float
    tier: Tier = Tier.STANDARD
    booked: list[str] = field(default_factory=list)


# --8<-- [end:account]


@dataclass(frozen=True)
class Booking:
    """Eine Buchung; `number` ist ihr Idempotenzschlüssel."""

    number: str
    amount: float


@dataclass(frozen=True)
class Rename:
    """Ein neuer Name."""

    name: str


@dataclass(frozen=True)
class Confirmation:
    """Die Bestätigung einer Buchung mit dem neuen Stand."""

    number: str
    mail: str
    balance: float


class AccountActivities:
    """Buchungen bestätigen."""

    def __init__(self, outbox: Outbox) -> None:
        """Schreibt in diesen Postausgang."""
        self._outbox = outbox

    @activity.defn
    def confirm_booking(self, mail: Confirmation) -> None:
        """Bestätigt eine Buchung. Idempotent über `number`."""
        self._outbox.send(mail.number, mail.mail, round(mail.balance * 100))


@workflow.defn
class AccountWorkflow:
    """Ein Konto."""

    @workflow.init
    def __init__(self, account: Account) -> None:
        """Übernimmt die Eingabe."""
        self._account = account
        self._unconfirmed: list[str] = []
        self._closed = False

    @workflow.signal
    def book(self, booking: Booking) -> None:
        """Verbucht einen Betrag."""
        if booking.number not in self._account.booked:
            self._account.balance += booking.amount
            self._account.booked = [*self._account.booked, booking.number][-50:]
            self._unconfirmed.append(booking.number)

    @workflow.update
    def rename(self, name: Rename) -> str:
        """Ändert den Namen und nennt ihn."""
        self._account.name = name.name
        return name.name

    @workflow.signal
    def close(self) -> None:
        """Schließt das Konto."""
        self._closed = True

    @workflow.query
    def state(self) -> Account:
        """Der Zustand."""
        return self._account

    @workflow.run
    async def run(self, account: Account) -> Account:
        """Bestätigt Buchungen, bis das Konto schließt."""
        while True:
            await workflow.wait_condition(
                lambda: bool(self._unconfirmed) or self._leaving()
            )
            if not self._unconfirmed:
                break
            mail = Confirmation(
                self._unconfirmed.pop(0), self._account.mail, self._account.balance
            )
            await workflow.execute_activity_method(
                AccountActivities.confirm_booking,
                mail,
                start_to_close_timeout=timedelta(seconds=30),
            )
        if not self._closed:
            workflow.continue_as_new(self._account)
        return self._account

    def _leaving(self) -> bool:
        return self._closed or workflow.info().is_continue_as_new_suggested()
