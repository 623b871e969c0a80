"""Version 2: `mail` heißt `email`, dazu eine Sprache, Daten tragen eine Nummer."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.zustand_migrieren.activities import Outbox
    from kapitel08.zustand_migrieren.schema import Payload, read, write

KNOWN = 2


class Tier(StrEnum):
    """Die Stufe eines Kontos."""

    STANDARD = "standard"
    GOLD = "gold"


@dataclass
class Account:
    """Ein Kundenkonto."""

    number: str
    name: str
    email: str
    fax: str
    balance: float
    language: str = "de"
    tier: Tier = Tier.STANDARD
    booked: list[str] = field(default_factory=list)


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
    email: str
    balance: float


class AccountActivities:
    """Buchungen bestätigen."""

    def __init__(self, outbox: Outbox) -> None:
        """Schreibt in diesen Postausgang."""
        self._outbox = outbox

    @activity.defn
    def confirm_booking(self, sent: Payload) -> None:
        """Bestätigt eine Buchung. Idempotent über `number`."""
        mail = read(Confirmation, sent, KNOWN)
        self._outbox.send(mail.number, mail.email, round(mail.balance * 100))


@workflow.defn
class AccountWorkflow:
    """Ein Konto."""

    @workflow.init
    def __init__(self, stored: Payload) -> None:
        """Liest die Eingabe."""
        self._account = read(Account, stored, KNOWN)
        self._unconfirmed: list[str] = []
        self._closed = False

    @workflow.signal
    def book(self, sent: Payload) -> None:
        """Verbucht einen Betrag."""
        booking = read(Booking, sent, KNOWN)
        if booking.number not in self._account.booked:
            self._account.balance += booking.amount
            self._account.booked = [*self._account.booked, booking.number][-50:]
            self._unconfirmed.append(booking.number)

    @workflow.update
    def rename(self, sent: Payload) -> str:
        """Ändert den Namen und nennt ihn ganz."""
        name = read(Rename, sent, KNOWN)
        self._account.name = name.name
        return name.name

    @workflow.signal
    def close(self) -> None:
        """Schließt das Konto."""
        self._closed = True

    @workflow.query
    def state(self) -> Payload:
        """Der Zustand."""
        return write(self._account, KNOWN)

    @workflow.run
    async def run(self, stored: Payload) -> Payload:
        """Bestätigt Buchungen, bis das Konto schließt."""
        while True:
            await workflow.wait_condition(
                lambda: bool(self._unconfirmed) or self._leaving()
            )
            if not self._unconfirmed:
                break
            number, account = self._unconfirmed.pop(0), self._account
            mail = Confirmation(number, account.email, account.balance)
            await workflow.execute_activity_method(
                AccountActivities.confirm_booking,
                write(mail, KNOWN),
                start_to_close_timeout=timedelta(seconds=30),
            )
        if not self._closed:
            workflow.continue_as_new(write(self._account, KNOWN))
        return write(self._account, KNOWN)

    def _leaving(self) -> bool:
        return self._closed or workflow.info().is_continue_as_new_suggested()
