"""Prüfungen zu „Die Sandbox sagt Nein“."""

import json
from datetime import datetime, timedelta

from dauerlauf.exercises import Bench, Wrong, expect
from dauerlauf.together import together

WORKFLOW = "workflow:BillCustomer"
SUBJECTS = ("Ihre Rechnung", "Danke für Ihren Einkauf", "Post von Nordlicht")
TERM = timedelta(days=14)
Letter = dict[str, str | int]


class Post:
    """Das Postausgangsbuch des Prüfers: alle Briefe in ihrer Reihenfolge."""

    def __init__(self, bench: Bench) -> None:
        self._book = bench.folder / "postausgang.jsonl"
        self.activities = [("post:PostOffice", str(self._book)), "activities:read_fee"]

    @property
    def letters(self) -> list[Letter]:
        return [json.loads(line) for line in self._book.read_text().splitlines()]

    def of(self, order_id: str) -> list[Letter]:
        """Die Briefe zu einem Auftrag."""
        return [one for one in self.letters if str(one["number"]).startswith(order_id)]


def _written(letter: Letter, field: str = "written") -> datetime:
    return datetime.fromisoformat(str(letter[field]))


async def lauf(bench: Bench) -> None:
    """Der Lauf kommt durch die Sandbox und schreibt Rechnung und Mahnung."""
    post = Post(bench)
    async with bench.worker(WORKFLOW, activities=post.activities) as worker:
        # Erst einer allein: So nennt die Rückmeldung den ersten verbotenen Aufruf.
        run = await worker.execute("BillCustomer", "NL-1")
        await worker.execute("BillCustomer", "NL-1")
    letters = post.of("NL-1")
    expect(
        len(letters) == 4,
        wo="Poststelle",
        warum=f"Zwei Läufe haben {len(letters)} Briefe verschickt statt 4.",
        weiter="Jeder Lauf schickt eine Rechnung und 14 Tage später eine Mahnung.",
    )
    invoice, reminder, second, _ = letters
    expect(
        invoice["number"] != second["number"],
        wo="Nummern zweier Rechnungen desselben Auftrags",
        warum=f"Beide heißen {invoice['number']}.",
        weiter="Jeder Lauf würfelt seine Nummer selbst, im Workflow und nicht beim Laden einer Datei.",
    )
    passed = _written(reminder) - _written(invoice)
    expect(
        passed >= TERM,
        wo="Mahnung, Feld `written`",
        warum=f"Zwischen Rechnung und Mahnung liegen laut den Briefen {passed.total_seconds():.0f} s. Der Workflow hat 14 "
        "Tage gewartet; das ist die Uhr des Rechners, nicht die des Workflows.",
        weiter="Fragen Sie im Workflow die Uhr, die zum Lauf gehört.",
    )
    off = _written(invoice, "due") - _written(invoice) - TERM
    expect(
        abs(off) < timedelta(seconds=30),
        wo="Rechnung, Feld `due`",
        warum=f"Die Frist liegt um {off} neben den verlangten 14 Tagen.",
        weiter="Zählen Sie die Frist von dem Zeitpunkt an, an dem die Rechnung geschrieben wird.",
    )
    expect(
        "read_fee" in run.activities,
        wo="Event History",
        warum=f"Dort stehen die Activities {', '.join(run.activities)}; `read_fee` fehlt. Was aus der Datei kam, steht "
        "nirgends und lässt sich beim Replay nicht wiederholen.",
        weiter="Lesen Sie `gebuehren.json` in `read_fee`, und rufen Sie `read_fee` mit `workflow.execute_activity` auf. Ein "
        "gewöhnlicher Aufruf läuft im Workflow und hinterlässt nichts.",
    )


async def zweiter_worker(bench: Bench) -> None:
    """Übernimmt ein zweiter Worker den Lauf, passt die Mahnung zur Rechnung."""
    post, queue = Post(bench), bench.task_queue()
    orders = [f"NL-{number}" for number in range(10, 14)]
    async with bench.worker(
        WORKFLOW, activities=post.activities, task_queue=queue
    ) as first:
        with bench.timelapse.unskipped():
            handles = [await first.start("BillCustomer", order) for order in orders]
        for handle in handles:
            await first.reached(handle, "TimerStarted")
        first.kill()
        # Inzwischen ändern sich die Gebühren; was schon angekündigt ist, gilt weiter.
        fees = bench.source / "gebuehren.json"
        fees.write_text(json.dumps({"mahnung_cent": 500, "ruecklauf_cent": 590}))
        async with bench.worker(
            WORKFLOW, activities=post.activities, task_queue=queue
        ) as second:
            await together(
                *(bench.timelapse.fast_forward(handle) for handle in handles)
            )
            await together(*(second.finish(handle) for handle in handles))
    for field, what in (
        ("number", "Nummern"),
        ("subject", "Betreffzeilen"),
        ("due", "Fristen"),
        ("fee_cents", "Gebühren"),
    ):
        for order in orders:
            invoice, reminder = post.of(order)
            expect(
                invoice[field] == reminder[field],
                wo=f"Rechnung und Mahnung zu {order}, Feld `{field}`",
                warum=f"Sie nennen verschiedene {what}: {invoice[field]} und {reminder[field]}. Dazwischen ist der Worker "
                "gestorben; der zweite hat den Code von vorn ausgeführt und dabei etwas anderes bekommen.",
                weiter="Ersetzen Sie die Quelle dieses Werts durch eine, die beim Replay dasselbe liefert: das Gegenstück "
                "in `workflow` oder das Ergebnis einer Activity.",
            )
        strange = [
            one["subject"] for one in post.letters if one["subject"] not in SUBJECTS
        ]
        expect(
            not strange,
            wo="Betreff der Briefe",
            warum=f"„{''.join(map(str, strange[:1]))}“ steht nicht zur Wahl.",
            weiter="Der Betreff ist einer aus `SUBJECTS`.",
        )


CHECKS = (lauf, zweiter_worker)
GIVEN = ("post.py", "gebuehren.json")
START_FAILS = "Cannot access uuid.uuid4.__call__ from inside a workflow"
NUMBER = 'f"{order_id}-{workflow.uuid4()}"'
READ = """        fee = await workflow.execute_activity(
            activities.read_fee, start_to_close_timeout=timedelta(seconds=10)
        )
"""
IMPORT = "from datetime import datetime, timedelta\n\nfrom temporalio import workflow\n\nwith"
WRONG = (
    Wrong(
        "Sandbox abgeschaltet",
        changes=(
            ("@workflow.defn\n", "@workflow.defn(sandboxed=False)\n"),
            (NUMBER, 'f"{order_id}-{uuid.uuid4()}"'),
            (IMPORT, "import uuid\n" + IMPORT),
        ),
        expected="Sie nennen verschiedene Nummern",
    ),
    Wrong(
        "beim Laden gewürfelt",
        changes=(
            (NUMBER, 'f"{order_id}-{activities.NUMBER}"'),
            ("\n\n@activity.defn", "\nNUMBER = uuid.uuid4()\n\n\n@activity.defn"),
            ("import json\n", "import json\nimport uuid\n"),
        ),
        expected="im Workflow und nicht beim Laden einer Datei",
    ),
    Wrong(
        "Datei beim Laden gelesen",
        changes=(
            (
                "await self._send(number, subject, due, fee)\n        await workflow.sleep",
                "await self._send(number, subject, due, activities.FEE)\n        await workflow.sleep",
            ),
            (
                "timedelta(days=14))\n        await self._send(number, subject, due, fee)",
                "timedelta(days=14))\n        await self._send(number, subject, due, activities.FEE)",
            ),
            (
                "\n\n@activity.defn",
                '\nFEE = json.loads(Path("gebuehren.json").read_text())["mahnung_cent"]\n\n\n@activity.defn',
            ),
        ),
        expected="Sie nennen verschiedene Gebühren: 250 und 500",
    ),
    Wrong(
        "Uhr in einer Hilfsfunktion",
        changes=(
            ("written = workflow.now()", "written = activities.now()"),
            (
                "\n\n@activity.defn",
                "\n\ndef now() -> datetime:\n    return datetime.now(UTC)\n\n\n@activity.defn",
            ),
            (
                "from pathlib import Path\n",
                "from datetime import UTC, datetime\nfrom pathlib import Path\n",
            ),
        ),
        expected="das ist die Uhr des Rechners",
    ),
    Wrong(
        "nur zwei von vier",
        changes=(
            ("workflow.random().choice(SUBJECTS)", "random.choice(SUBJECTS)"),
            (IMPORT, "import random\n" + IMPORT),
        ),
        expected="Cannot access random.choice.__call__",
    ),
)
