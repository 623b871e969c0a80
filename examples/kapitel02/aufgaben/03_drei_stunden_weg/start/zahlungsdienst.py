"""Der Zahlungsdienst. Diese Datei ist vorgegeben; die Prüfung betreibt die Activity."""

from dataclasses import dataclass

from temporalio import activity


@dataclass(frozen=True)
class Payment:
    """Eine Zahlung bei Nordlicht Versand. Beträge stehen in Cent."""

    order_id: str
    amount_cents: int


@activity.defn
async def charge_payment(payment: Payment) -> int:
    """Zieht den Betrag ein und gibt die Nummer der Buchung zurück.

    Ist der Dienst weg, wirft der Aufruf einen Fehler vom Typ `ServiceUnavailable`.
    Lehnt die Bank die Karte ab, hat der Fehler den Typ `CardDeclined`; dabei bleibt
    es, sooft man auch fragt.
    """
    raise NotImplementedError
