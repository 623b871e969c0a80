"""Buchhaltung und Post. Diese Datei ist vorgegeben; die Prüfung betreibt sie."""

import re

from temporalio import activity


def cents(amount: str) -> int:
    """Der Betrag in Cent; wirft `ValueError`, wenn er nicht wie „49,90“ aussieht."""
    if not re.fullmatch(r"\d{1,6},\d\d", amount):
        raise ValueError(f"„{amount}“ ist kein Betrag wie 49,90.")
    return int(amount.replace(",", ""))


@activity.defn
async def book_return(number: str, amount: str) -> None:
    """Zahlt die Retoure aus; scheitert endgültig, wenn der Betrag nicht stimmt."""
    raise NotImplementedError


@activity.defn
async def send_reminder(number: str) -> None:
    """Erinnert die Sachbearbeitung an eine geparkte Retoure."""
    raise NotImplementedError
