"""Die Preisliste eines Lieferanten: viele gleichförmige Zeilen."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PriceListRequest:
    """Welche Liste geholt wird; `rows` steht für ihre Länge."""

    supplier: str
    rows: int


@dataclass(frozen=True)
class PriceList:
    """Die Liste, wie sie kommt: CSV, der Preis in Cent am Ende jeder Zeile."""

    csv: str


@dataclass(frozen=True)
class Summary:
    """Was von der Liste bleibt."""

    rows: int
    highest_cents: int
