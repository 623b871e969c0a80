"""Die drei Schritte einer Retoure, jeder auf seine Art gegen Wiederholung sicher."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity
from temporalio.exceptions import ApplicationError

from kapitel02.idempotenz_schluessel.services import (
    Bank,
    Claims,
    KeyConflictError,
    LoyaltyAccount,
    PickupService,
)

# So lange kann ein Auftrag an den Abholdienst höchstens unterwegs sein.
LATEST_ARRIVAL = timedelta(minutes=10)


@dataclass(frozen=True)
class ReturnCase:
    """Eine Retoure. Betrag in Cent."""

    return_id: str
    cents: int
    points: int = 50


@dataclass(frozen=True)
class RefundRequest:
    """Eine Erstattung mit ihrem Idempotenzschlüssel. Betrag in Cent."""

    key: str
    return_id: str
    cents: int


@dataclass(frozen=True)
class PickupRequest:
    """Eine Abholung; `key` gilt nur im eigenen Merkbuch."""

    key: str
    return_id: str


@dataclass(frozen=True)
class Settlement:
    """Ergebnis: Nummer der Erstattung und der Abholung."""

    refund: int
    pickup: int


class ReturnSteps:
    """Die Activities. Idempotent nach dem Schlüssel, sonst nach der Retoure."""

    def __init__(
        self,
        bank: Bank,
        pickups: PickupService,
        account: LoyaltyAccount,
        claims: Claims,
    ) -> None:
        self._bank = bank
        self._pickups = pickups
        self._account = account
        self._claims = claims

    # --8<-- [start:refund]
    @activity.defn
    def refund_payment(self, request: RefundRequest) -> int:
        """Erstattet den Betrag; die Bank prüft den Schlüssel."""
        try:
            return self._bank.refund(request.key, request.return_id, request.cents)
        except KeyConflictError as error:
            raise ApplicationError(
                str(error), type="KeyConflict", non_retryable=True
            ) from error

    # --8<-- [end:refund]

    # --8<-- [start:pickup]
    @activity.defn
    def order_pickup(self, request: PickupRequest) -> int:
        """Bestellt eine Abholung bei einem Dienst, der keine Schlüssel kennt."""
        now = activity.info().started_time
        wait = self._claims.claim(request.key, now, LATEST_ARRIVAL)
        number = self._pickups.find(request.return_id)
        if number is not None:
            return number
        if wait:
            raise ApplicationError(
                "Ein früherer Auftrag kann noch ankommen.",
                type="OutcomeUnknown",
                next_retry_delay=wait,
            )
        return self._pickups.order(request.return_id)

    # --8<-- [end:pickup]

    @activity.defn
    def deduct_points(self, case: ReturnCase) -> None:
        """Zieht die gutgeschriebenen Punkte wieder ab."""
        self._account.deduct(case.return_id, case.points)
