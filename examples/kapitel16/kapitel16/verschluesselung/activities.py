"""Die Activities einer Erstattung. Von Verschlüsselung wissen sie nichts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from kapitel16.verschluesselung.bank import AccountBlockedError, Bank
from kapitel16.verschluesselung.models import Account, Transfer

ACCOUNT_BLOCKED = "KontoGesperrt"


class RefundActivities:
    """Konto prüfen, Geld überweisen."""

    def __init__(self, folder: Path) -> None:
        """In `folder` liegt das Buch der Bank."""
        self._bank = Bank(folder)

    @activity.defn
    def check_account(self, account: Account) -> bool:
        """Prüft die Prüfziffern der IBAN; ohne Wirkung, also ohne Schlüssel."""
        activity.heartbeat(f"Prüfe {account.iban}")
        letters = account.iban[4:] + account.iban[:4]
        return int("".join(str(int(letter, 36)) for letter in letters)) % 97 == 1

    # --8<-- [start:transfer]
    @activity.defn
    def transfer_money(self, transfer: Transfer) -> str:
        """Überweist. Idempotent über `transfer.key`."""
        account = transfer.account
        try:
            return self._bank.transfer(transfer.key, account.iban, transfer.cents)
        except AccountBlockedError:
            raise ApplicationError(
                f"Das Konto {account.iban} von {account.holder} ist gesperrt.",  # (!)
                type=ACCOUNT_BLOCKED,
                non_retryable=True,
            ) from None

    # --8<-- [end:transfer]

    def all(self) -> list[Callable[..., Any]]:
        """Beide Activities, für den Worker."""
        return [self.check_account, self.transfer_money]
