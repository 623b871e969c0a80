"""Fähre, Hotel und Auto. Diese Datei ist vorgegeben; die Prüfung betreibt sie."""

from temporalio import activity


@activity.defn
async def book_ferry(trip_id: str) -> str:
    """Bucht die Fähre und gibt die Buchungsnummer zurück."""
    raise NotImplementedError


@activity.defn
async def cancel_ferry(trip_id: str) -> None:
    """Storniert die Fähre; ohne Buchung geschieht nichts."""
    raise NotImplementedError


@activity.defn
async def book_hotel(trip_id: str) -> str:
    """Bucht das Hotel und gibt die Buchungsnummer zurück."""
    raise NotImplementedError


@activity.defn
async def cancel_hotel(trip_id: str) -> None:
    """Storniert das Hotel; ohne Buchung geschieht nichts."""
    raise NotImplementedError


@activity.defn
async def book_car(trip_id: str) -> str:
    """Bucht das Auto und gibt die Buchungsnummer zurück."""
    raise NotImplementedError


@activity.defn
async def cancel_car(trip_id: str) -> None:
    """Storniert das Auto; ohne Buchung geschieht nichts."""
    raise NotImplementedError
