"""Prüfungen zu „Worker stirbt, Paket doppelt“."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from dauerlauf.exercises import Bench, Run, Wrong, expect
from dauerlauf.faults import ActivityAction, ActivityFault, FaultPlan
from dauerlauf.together import together

DEATH = FaultPlan((ActivityFault("order_parcel", ActivityAction.KILL_AFTER),))


def _create_book(bench: Bench) -> Path:
    book = bench.folder / "pakete.sqlite"
    with closing(sqlite3.connect(book)) as database, database:
        database.execute(
            "CREATE TABLE parcels (number INTEGER PRIMARY KEY, key TEXT UNIQUE, content TEXT)"
        )
    return book


def _contents(book: Path) -> list[str]:
    with closing(sqlite3.connect(book)) as database:
        query = "SELECT content FROM parcels ORDER BY number"
        return [content for (content,) in database.execute(query)]


async def _ship(
    bench: Bench, orders: Sequence[str], plan: FaultPlan | None = None
) -> tuple[list[Run], list[str]]:
    """Die Läufe und der Inhalt aller Pakete, die der Dienst gebaut hat."""
    book = _create_book(bench)
    desk = ("activities:ParcelDesk", str(book))
    async with bench.worker(
        "workflow:ShipOrder", activities=[desk], plan=plan
    ) as worker:
        runs = await together(*(worker.execute("ShipOrder", order) for order in orders))
        expect(
            worker.deaths == (plan is not None),
            wo="Activity `order_parcel`",
            warum="Der Worker sollte nach ihr sterben, aber sie lief nicht.",
            weiter="Lassen Sie den Namen der Activity, wie er ist.",
        )
    return runs, _contents(book)


async def eigene_pakete(bench: Bench) -> None:
    """Jeder Auftrag bekommt zwei eigene Pakete."""
    runs, parcels = await _ship(bench, ["NL-1", "NL-2"])
    numbers = [number for run in runs for number in run.result]
    expect(
        len(parcels) == 4 and len(set(numbers)) == 4,
        wo="Buch des Paketdienstes",
        warum=f"Für zwei Aufträge mit je zwei Paketen stehen dort {len(parcels)}: {', '.join(parcels)}. Zwei Aufrufe "
        "nannten denselben Schlüssel, und der Dienst hielt den zweiten für eine Wiederholung.",
        weiter="Der Schlüssel muss die Aufträge unterscheiden und im Auftrag das erste vom zweiten Paket.",
    )


async def absturz(bench: Bench) -> None:
    """Stirbt der Worker nach der Bestellung, wird das Paket trotzdem nur einmal gebaut."""
    _, parcels = await _ship(bench, ["NL-3"], DEATH)
    expect(
        parcels == ["NL-3: Gerät", "NL-3: Zubehör"],
        wo="Buch des Paketdienstes, nach dem Tod des Workers in `order_parcel`",
        warum=f"Dort stehen {len(parcels)} Pakete statt 2: {', '.join(parcels)}. Der zweite Versuch nannte einen anderen "
        "Schlüssel als der erste, also bestellte er noch einmal.",
        weiter="Der Schlüssel darf nur aus Angaben bestehen, die in jedem Versuch und in jedem Prozess gleich sind.",
    )


async def jeder_prozess(bench: Bench) -> None:
    """Auch ein neu gestarteter Prozess nennt denselben Schlüssel."""
    book = _create_book(bench)
    await bench.activity_in_new_processes(
        ("activities:ParcelDesk.order_parcel", str(book)), "NL-4", "Gerät"
    )
    parcels = _contents(book)
    expect(
        len(parcels) == 1,
        wo="Buch des Paketdienstes, derselbe Aufruf in zwei neuen Prozessen",
        warum=f"Dort stehen {len(parcels)} Pakete statt eines. Der Schlüssel hängt am Prozess: `hash` rechnet einen "
        "Text in jedem Python-Prozess zu einer anderen Zahl um.",
        weiter="Setzen Sie den Schlüssel aus den Angaben selbst zusammen, als Text.",
    )


CHECKS = (eigene_pakete, absturz, jeder_prozess)
GIVEN = ("paketdienst.py", "workflow.py")
START_FAILS = "absturz"
KEY = 'f"{info.workflow_id}/{info.activity_id}"'
WRONG = (
    Wrong(
        "mit Versuch",
        changes=((KEY, 'f"{info.workflow_id}/{info.activity_id}/{info.attempt}"'),),
        expected="Der zweite Versuch nannte einen anderen Schlüssel",
    ),
    Wrong(
        "nur der Auftrag",
        changes=((KEY, "info.workflow_id"),),
        expected="stehen dort 2",
    ),
    Wrong(
        "nur die Activity-ID",
        changes=((KEY, "info.activity_id"),),
        expected="eigene_pakete",
    ),
    Wrong(
        "einmal je Prozess gewürfelt",
        changes=(
            (KEY, 'f"{RUN}/{info.workflow_id}/{info.activity_id}"'),
            ("import paketdienst\n", "import uuid\n\nimport paketdienst\n"),
            ("\n\nclass", "\nRUN = uuid.uuid4()\n\n\nclass"),
        ),
        expected="absturz",
    ),
    Wrong(
        "hash der Angaben",
        changes=((KEY, "str(hash((order_id, content)))"),),
        expected="Der Schlüssel hängt am Prozess",
    ),
)
