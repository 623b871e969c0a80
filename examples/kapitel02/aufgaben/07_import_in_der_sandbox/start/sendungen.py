"""Die Sendungen. Diese Datei ist vorgegeben."""

from dataclasses import dataclass


@dataclass
class Parcel:
    """Ein gewöhnliches Paket."""

    number: str


@dataclass
class Express(Parcel):
    """Ein Paket, das am nächsten Tag da ist."""
