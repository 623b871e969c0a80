"""Tabelle der toten Briefe und Erstattungsbuch.

Diese Datei ist vorgegeben; die Prüfung betreibt sie.
"""

from dataclasses import dataclass

from temporalio import activity


@dataclass(frozen=True)
class Redrive:
    """Der Befehl: wer ihn gab und wie viele Briefe je Minute beginnen dürfen."""

    operator: str
    per_minute: int


@dataclass(frozen=True)
class Report:
    """Das Ergebnis: wie viele Briefe erledigt und wie viele wieder geparkt sind."""

    done: int
    parked: int


@dataclass(frozen=True)
class Claim:
    """Nimmt einen Brief in Arbeit; `redrive` ist die Workflow-ID der Wiederholung."""

    number: str
    redrive: str
    operator: str


@dataclass(frozen=True)
class Booking:
    """Bucht die Retoure; gleicher `key`, gleiche Buchung."""

    number: str
    key: str


@dataclass(frozen=True)
class Outcome:
    """Das Ende: `state` ist „erledigt“ oder „geparkt“, `detail` Beleg oder Grund."""

    number: str
    redrive: str
    state: str
    detail: str


@activity.defn
async def parked_letters() -> list[str]:
    """Die Nummern aller Briefe, die gerade geparkt sind."""
    raise NotImplementedError


@activity.defn
async def claim(request: Claim) -> bool:
    """Ob der Brief jetzt dieser Wiederholung gehört; wenn neu, steht es im Protokoll.

    Derselbe Aufruf darf sich wiederholen. Falsch heißt: Eine andere hat ihn in Arbeit,
    oder er ist schon zu Ende. Jede Wiederholung bekommt einen Brief höchstens einmal.
    """
    raise NotImplementedError


@activity.defn
async def book_return(booking: Booking) -> str:
    """Bucht und gibt den Beleg zurück.

    Ist der Brief noch immer kaputt, wirft sie einen endgültigen Fehler mit dem Grund.
    """
    raise NotImplementedError


@activity.defn
async def settle(outcome: Outcome) -> None:
    """Beendet die Arbeit an einem Brief und schreibt das Ende ins Protokoll.

    Derselbe Aufruf darf sich wiederholen.
    """
    raise NotImplementedError
