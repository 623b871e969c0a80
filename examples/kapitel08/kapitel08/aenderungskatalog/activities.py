"""Die Activities des Katalogs. Sie rechnen nur; ihr Idempotenzschlüssel ist
`Payment.key` oder die Auftragsnummer.
"""

from temporalio import activity

from kapitel08.aenderungskatalog.models import Payment, Receipt


@activity.defn
async def charge(payment: Payment) -> Receipt:
    """Bucht ab."""
    return Receipt(f"Q-{payment.key}-{payment.cents}")


@activity.defn
async def debit(payment: Payment) -> Receipt:
    """Dasselbe wie `charge` unter neuem Namen."""
    return Receipt(f"Q-{payment.key}-{payment.cents}")


@activity.defn
async def check(number: str) -> bool:
    """Prüft den Auftrag auf Betrug."""
    return bool(number)


ALL = [charge, debit, check]
