"""Falscher Code: Änderungen am Schema, die laufende Konten anhalten oder verfälschen.
Die Tests beweisen den Schaden, die Seite zeigt ihn.

Jede Klasse liest, was Version 1 geschrieben hat.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from kapitel08.zustand_migrieren.schema import Payload, upcast
    from kapitel08.zustand_migrieren.versions import v1


# --8<-- [start:required]
@dataclass
class RequiredAccount(v1.Account):
    """Falsch: Version 1 schrieb keine Sprache."""

    language: str = field(kw_only=True)


# --8<-- [end:required]


# --8<-- [start:in-place]
@dataclass
class InPlaceAccount:
    """Falsch: `balance` zählte Euro und zählt jetzt Cent."""

    number: str
    name: str
    balance: int


# --8<-- [end:in-place]


# --8<-- [start:enum]
class RenamedTier(StrEnum):
    """Falsch: Der Wert steht so in der Event History, der Name nicht."""

    BASIC = "basis"  # hieß STANDARD = "standard"
    GOLD = "gold"


# --8<-- [end:enum]


@dataclass
class RenamedTierAccount:
    """Ein Konto mit der umbenannten Stufe."""

    number: str
    tier: RenamedTier


@workflow.defn(name="AccountWorkflow")
class RequiredWorkflow:
    """Liest ein Pflichtfeld, das es früher nicht gab."""

    @workflow.run
    async def run(self, account: RequiredAccount) -> str:
        """Wartet ohne Ende."""
        await workflow.wait_condition(lambda: False)
        return account.language


@workflow.defn(name="AccountWorkflow")
class InPlaceWorkflow:
    """Liest Euro als Cent."""

    @workflow.init
    def __init__(self, account: InPlaceAccount) -> None:
        """Übernimmt die Eingabe."""
        self._account = account

    @workflow.query
    def state(self) -> InPlaceAccount:
        """Der Zustand."""
        return self._account

    @workflow.run
    async def run(self, account: InPlaceAccount) -> str:
        """Wartet ohne Ende."""
        await workflow.wait_condition(lambda: False)
        return account.number


@workflow.defn(name="AccountWorkflow")
class RenamedTierWorkflow:
    """Liest eine Stufe, die umbenannt wurde."""

    @workflow.run
    async def run(self, account: RenamedTierAccount) -> str:
        """Wartet ohne Ende."""
        await workflow.wait_condition(lambda: False)
        return account.tier


# --8<-- [start:activity]
@activity.defn
def migrate(stored: Payload) -> Payload:
    """Falsch: Jeder Versuch ergibt andere Daten. Kein Idempotenzschlüssel hilft."""
    return {**upcast(stored), "migrated_at": datetime.now(UTC).isoformat()}


@workflow.defn(name="AccountWorkflow")
class ActivityWorkflow:
    """Falsch: Der neue Befehl steht in keiner alten Event History."""

    @workflow.run
    async def run(self, stored: Payload) -> Payload:
        """Lässt zuerst die Eingabe umwandeln."""
        migrated: Payload = await workflow.execute_activity(
            migrate, stored, start_to_close_timeout=timedelta(seconds=30)
        )
        await workflow.wait_condition(lambda: False)
        return migrated


# --8<-- [end:activity]
