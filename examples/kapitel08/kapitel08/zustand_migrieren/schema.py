"""Das Schema der Daten: jede frühere Form lesen, nur die neueste schreiben.

Reine Funktionen ohne Uhr, Netz und Zufall. Workflow, Activities und Clients benutzen
dieselben; im Workflow bleibt das Lesen deshalb deterministisch.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeVar

from temporalio.converter import value_to_type

Payload = Mapping[str, Any]
"""Daten, wie sie gespeichert sind: in irgendeiner Form von 1 bis `CURRENT`."""

Record = TypeVar("Record")


class SchemaTooNewError(Exception):
    """Die Daten stammen von neuerem Code. Kein `ApplicationError`: Der Workflow soll
    warten, nicht scheitern.
    """


# --8<-- [start:steps]
def _to_2(data: dict[str, Any]) -> dict[str, Any]:
    """`mail` heißt `email`. Die neue Sprache hat einen Standardwert."""
    return _move(data, "mail", "email")


def _to_3(data: dict[str, Any]) -> dict[str, Any]:
    """Der Name wird geteilt, Beträge zählen in Cent."""
    if "name" in data:
        data["first_name"], data["last_name"] = split_name(data.pop("name"))
    data = _move(data, "balance", "balance_cents", to_cents)
    return _move(data, "amount", "amount_cents", to_cents)


def _to_4(data: dict[str, Any]) -> dict[str, Any]:
    """Faxnummern entfallen. Die neue Stufe `premium` braucht keinen Schritt."""
    data.pop("fax", None)
    return data


STEPS = (_to_2, _to_3, _to_4)
CURRENT = len(STEPS) + 1
# --8<-- [end:steps]


def _move(
    data: dict[str, Any],
    old: str,
    new: str,
    convert: Callable[[Any], Any] = lambda value: value,
) -> dict[str, Any]:
    if old in data:
        data[new] = convert(data.pop(old))
    return data


# --8<-- [start:convert]
def split_name(name: str) -> tuple[str, str]:
    """Teilt am letzten Leerzeichen; ohne Vornamen bleibt alles Nachname."""
    first, _, last = name.rpartition(" ")
    return (first, last) if first else ("", name)


def join_name(first: str, last: str) -> str:
    """Der ganze Name; die Umkehrung von `split_name`."""
    return f"{first} {last}" if first else last


def to_cents(euros: float) -> int:
    """Rundet: 19,99 € sind als Gleitkommazahl etwas weniger als 1999 Cent."""
    return round(euros * 100)


# --8<-- [end:convert]


def schema_of(payload: Payload) -> int:
    """Die Form der Daten; Version 1 schrieb noch keine Nummer dazu."""
    return int(payload.get("schema", 1))


# --8<-- [start:upcast]
def upcast(payload: Payload, to: int = CURRENT) -> dict[str, Any]:
    """Hebt Daten Schritt für Schritt in die Form `to`; das Original bleibt."""
    schema = schema_of(payload)
    if schema > to:
        raise SchemaTooNewError(f"Schema {schema}; dieser Code kennt bis {to}.")
    data = dict(payload)
    for step in STEPS[schema - 1 : to - 1]:
        data = step(data)
    return {**data, "schema": to}


def read(kind: type[Record], payload: Payload, to: int = CURRENT) -> Record:
    """Liest Daten jeder Form als `kind`.

    Wirft `SchemaTooNewError`, wenn neuerer Code sie schrieb, und `TypeError`, wenn ein
    Feld fehlt oder einen falschen Wert hat.
    """
    record: Record = value_to_type(kind, upcast(payload, to))
    return record


# --8<-- [end:upcast]
def write(record: Any, schema: int = CURRENT) -> Payload:
    """Die Daten in der Form `schema`, mit ihrer Nummer."""
    return {"schema": schema, **asdict(record)}
