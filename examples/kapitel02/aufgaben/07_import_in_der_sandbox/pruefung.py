"""Prüfungen zu „Import in der Sandbox“."""

import re
from collections.abc import Sequence
from typing import Any

from temporalio.client import WorkflowHandle

from dauerlauf.exercises import Bench, Run, Running, Wrong, expect
from dauerlauf.together import together

WORKFLOW = "workflow:CollectParcels"
STANDARD, EXPRESS = 490, 990


async def _add(
    worker: Running, handle: WorkflowHandle[Any, Any], parcels: Sequence[bool]
) -> None:
    """Meldet Pakete an und wartet, bis der Lauf sie alle verarbeitet hat."""
    for number, express in enumerate(parcels, start=1):
        await handle.signal("add", args=[f"{handle.id}-{number}", express])
    # Eine Query beantwortet der Worker erst, wenn er alle Signale davor verarbeitet hat.
    await worker.query(handle, "count")


async def _close(worker: Running, handle: WorkflowHandle[Any, Any]) -> Run:
    await handle.signal("close")
    return await worker.finish(handle)


async def tarif(bench: Bench) -> None:
    """Ein Expresspaket kostet 990 Cent, ein gewöhnliches 490."""
    async with bench.worker(WORKFLOW) as worker:
        handle = await worker.start("CollectParcels", "Kröger")
        await _add(worker, handle, [True, False])
        run = await _close(worker, handle)
    expect(
        run.result == EXPRESS + STANDARD,
        wo="Rechnung über ein Expresspaket und ein gewöhnliches",
        warum=f"Sie lautet auf {run.result} statt {EXPRESS + STANDARD} Cent. `tarife.cents` fragt "
        "`isinstance(parcel, Express)`. "
        + (
            "Die Antwort ist nein, obwohl der Workflow ein `Express` angelegt hat: Es gibt zwei Klassen dieses Namens, eine "
            "in der Sandbox und eine im Prozess."
            if run.result == 2 * STANDARD
            else "Rechnen Sie mit dem, was sie zurückgibt."
        ),
        weiter="Sehen Sie nach, auf welchem der beiden Wege `workflow.py` die Klasse lädt und auf welchem `tarife.py`. Auch der Umweg "
        "über ein drittes Modul zählt, und wer zuerst lädt, bestimmt."
        if run.result == 2 * STANDARD
        else "Sehen Sie nach, welche Klasse `add` anlegt, wenn `express` wahr ist und wenn nicht, und ob jedes Paket einmal zählt.",
    )


async def laeufe(bench: Bench) -> None:
    """Jeder Lauf rechnet nur seine eigenen Pakete ab, auch wenn mehrere zugleich laufen."""
    # Ohne Cache spielt der Worker jeden Lauf bei jedem Workflow-Task von vorn ab.
    async with bench.worker(WORKFLOW, max_cached_workflows=0) as worker:
        one, two = await together(
            *(worker.start("CollectParcels", name) for name in ("Kröger", "Özdemir"))
        )
        await _add(worker, one, [True])
        await _add(worker, two, [False, False])
        await _add(worker, one, [False])
        first, second = await _close(worker, one), await _close(worker, two)
        again = await worker.start("CollectParcels", "Kröger")
        await _add(worker, again, [True])
        third = await _close(worker, again)
    for name, run, right, parcels in (
        ("Kröger", first, EXPRESS + STANDARD, 2),
        ("Özdemir", second, 2 * STANDARD, 2),
        ("Kröger, am nächsten Tag", third, EXPRESS, 1),
    ):
        expect(
            run.result == right,
            wo=f"Rechnung an {name}",
            warum=f"Sie lautet auf {run.result} statt {right} Cent für {parcels} Pakete. Drei Läufe teilten sich einen Worker, "
            "und er spielte jeden mehrmals von vorn ab (Replay). Einer sieht, was ein anderer oder das vorige Abspielen sich gemerkt hat.",
            weiter="Ein durchgereichtes Modul gibt es im Prozess nur einmal, und ein Replay füllt es noch einmal. Wo muss stehen, was nur "
            "einem Lauf gehört?",
        )


async def einmal_geladen(bench: Bench) -> None:
    """Ein Worker lädt die Tariftafel einmal, gleich wie viele Läufe er ausführt."""
    async with bench.worker(WORKFLOW) as worker:
        handles = [await worker.start("CollectParcels", f"Kunde {n}") for n in range(4)]
        for handle in handles:
            await _add(worker, handle, [True])
        await together(*(_close(worker, handle) for handle in handles))
    expect(
        not re.search(
            r"sandboxed\s*=\s*False", (bench.source / "workflow.py").read_text()
        ),
        wo="workflow.py, `@workflow.defn`",
        warum="`sandboxed=False` schaltet die Sandbox ab. Dann fällt auch ein Import nicht mehr auf, der beim Replay etwas anderes liefert.",
        weiter="Lassen Sie die Sandbox an, und reichen Sie nur die Module durch, die sie nicht zu prüfen braucht.",
    )
    loads = bench.output.read_text().count("Tariftafel geladen")
    expect(
        loads > 0,
        wo="Ausgabe Ihres Workers, Zeilen „Tariftafel geladen“",
        warum="Die Zeile fehlt: Niemand lädt `tarife.py`. Der Preis steht also an einer zweiten Stelle und veraltet dort.",
        weiter="Rechnen Sie mit `tarife.cents`; die Datei ist richtig.",
    )
    expect(
        loads == 1,
        wo="Ausgabe Ihres Workers, Zeilen „Tariftafel geladen“",
        warum=f"Ein Worker mit vier Läufen hat sie {loads}-mal geladen; im Betrieb sind das je 90 MB. Die Sandbox lädt jedes "
        "Modul, das der Workflow ohne Durchreichen importiert, für jeden Lauf neu, auch auf dem Umweg über ein anderes.",
        weiter="Reichen Sie durch, was nur rechnet und sich nichts merkt.",
    )


CHECKS = (tarif, laeufe, einmal_geladen)
GIVEN = ("sendungen.py", "tarife.py")
START_FAILS = "Es gibt zwei Klassen dieses Namens"
PASS = "with workflow.unsafe.imports_passed_through():\n    import tarife\n    from merkzettel import Notes\n    from sendungen import Express, Parcel\n"
NOTES = "        self._notes = Notes()\n"
SHARED = ("        self._notes = Notes()\n", "        self._notes = merkzettel.NOTES\n")
MODULE = (
    "    parcels: list[Parcel] = field(default_factory=list)\n",
    "    parcels: list[Parcel] = field(default_factory=list)\n\n\nNOTES = Notes()\n",
)
IMPORT = ("    from merkzettel import Notes\n", "    import merkzettel\n")
WRONG = (
    Wrong(
        "nichts durchgereicht",
        changes=(
            (
                PASS,
                "import tarife\nfrom merkzettel import Notes\nfrom sendungen import Express, Parcel\n",
            ),
        ),
        expected="einmal_geladen",
    ),
    Wrong(
        "alles durchgereicht",
        changes=(IMPORT, SHARED, MODULE),
        expected="Einer sieht, was ein anderer",
    ),
    Wrong(
        "nur die Tafel durchgereicht",
        changes=(
            (
                PASS,
                "from merkzettel import Notes\nfrom sendungen import Express, Parcel\n\n"
                "with workflow.unsafe.imports_passed_through():\n    import tarife\n",
            ),
        ),
        expected="Es gibt zwei Klassen dieses Namens",
    ),
    Wrong(
        "Merkzettel je Lauf, aber im Modul",
        changes=(
            IMPORT,
            (
                NOTES,
                "        self._notes = merkzettel.NOTES[workflow.info().workflow_id]\n",
            ),
            (
                MODULE[0],
                f"{MODULE[0]}\n\nNOTES: defaultdict[str, Notes] = defaultdict(Notes)\n",
            ),
            (
                "from dataclasses import",
                "from collections import defaultdict\nfrom dataclasses import",
            ),
        ),
        expected="ein Replay füllt es noch einmal",
    ),
    Wrong(
        "Sandbox abgeschaltet",
        changes=(("@workflow.defn\n", "@workflow.defn(sandboxed=False)\n"),),
        expected="schaltet die Sandbox ab",
    ),
)
