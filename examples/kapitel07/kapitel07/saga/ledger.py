"""Die Bücher der fremden Dienste: je Dienst eine SQLite-Datei, unabhängig von allen
anderen.

Jedes Buch kennt nur zwei Vorgänge, `book` und `cancel`, beide unter einem Schlüssel und
beide beliebig oft wiederholbar. Läge alles in einer Datenbank, genügte eine
Transaktion, und das Muster wäre überflüssig.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from kapitel07.saga.models import OpenCase, Order, Receipt, StepRequest

BOOKED = "gebucht"
CANCELLED = "storniert"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry(
    key TEXT PRIMARY KEY, order_number TEXT NOT NULL,
    amount INTEGER NOT NULL, state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS journal(
    number INTEGER PRIMARY KEY, key TEXT NOT NULL, order_number TEXT NOT NULL,
    amount INTEGER NOT NULL);
"""


class RejectedError(Exception):
    """Ein fachliches Nein: Wiederholen ändert nichts daran. `kind` nennt den Grund in
    einem Wort.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Ledger:
    """Das Buch eines Dienstes.

    `entry` hält je Schlüssel den Stand, `journal` jede einzelne Wirkung: positiv die
    Buchung, negativ die Rücknahme.
    """

    file_name: ClassVar[str]
    schema: ClassVar[str] = ""

    def __init__(self, folder: Path) -> None:
        """Öffnet das Buch in `folder` und legt es an, wenn es fehlt. Von mehreren
        Threads benutzbar.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._db = sqlite3.connect(
            folder / self.file_name,
            timeout=10,
            isolation_level=None,
            check_same_thread=False,
        )
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
            + _SCHEMA
            + self.schema
        )

    def close(self) -> None:
        """Schließt die Datei."""
        self._db.close()

    # --8<-- [start:book]
    def book(self, request: StepRequest) -> Receipt:
        """Bucht einmal je Schlüssel, und gar nicht, wenn die Rücknahme schon da war."""
        key, order = request.key, request.order
        with self._transaction():
            state = self._state(key)
            if state == CANCELLED:  # (!)
                raise RejectedError(
                    "BereitsStorniert", f"Der Vorgang {key} ist schon zurückgenommen."
                )
            if state is None:
                amount = self.accept(order)
                self._enter(key, order, amount, BOOKED)
                self._write(key, order, amount)
        return Receipt(self.reference(key))

    # --8<-- [end:book]

    # --8<-- [start:cancel]
    def cancel(self, request: StepRequest) -> None:
        """Nimmt die Buchung zurück; gibt es keine, bleibt ein Grabstein stehen."""
        key, order = request.key, request.order
        with self._transaction() as db:
            state = self._state(key)
            if state is None:
                self._enter(key, order, 0, CANCELLED)  # (!)
            elif state == BOOKED:
                amount = self.give_back(key, order)
                db.execute("UPDATE entry SET state = ? WHERE key = ?", (CANCELLED, key))
                self._write(key, order, -amount)

    # --8<-- [end:cancel]

    def accept(self, order: Order) -> int:
        """Die Regeln des Dienstes: gibt den Betrag der Buchung zurück oder wirft
        `RejectedError`.
        """
        raise NotImplementedError

    def give_back(self, key: str, order: Order) -> int:
        """Gibt den Betrag zurück, den die Rücknahme freigibt, oder wirft
        `RejectedError`.
        """
        query = "SELECT amount FROM entry WHERE key = ?"
        return int(self._db.execute(query, (key,)).fetchone()[0])

    def reference(self, key: str) -> str:
        """Das Aktenzeichen eines Vorgangs: aus dem Schlüssel berechnet, also bei jeder
        Wiederholung gleich.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()
        return f"{self.file_name[0].upper()}-{digest[:8]}"

    def _enter(self, key: str, order: Order, amount: int, state: str) -> None:
        row = (key, order.number, amount, state)
        self._db.execute("INSERT INTO entry VALUES (?, ?, ?, ?)", row)

    def _state(self, key: str) -> str | None:
        row = self._db.execute(
            "SELECT state FROM entry WHERE key = ?", (key,)
        ).fetchone()
        return row[0] if row else None

    def _write(self, key: str, order: Order, amount: int) -> None:
        self._db.execute(
            "INSERT INTO journal(key, order_number, amount) VALUES (?, ?, ?)",
            (key, order.number, amount),
        )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


class StockLedger(Ledger):
    """Das Lager. Der Betrag einer Buchung ist die Stückzahl."""

    file_name = "lager.sqlite3"
    schema = (
        "CREATE TABLE IF NOT EXISTS shelf("
        "article TEXT PRIMARY KEY, delivered INTEGER, available INTEGER);"
    )

    def deliver(self, article: str, quantity: int) -> None:
        """Wareneingang: `quantity` Stück von `article` kommen ins Regal."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO shelf VALUES (?, 0, 0)", (article,))
            self._move(article, quantity)
            db.execute(
                "UPDATE shelf SET delivered = delivered + ? WHERE article = ?",
                (quantity, article),
            )

    def accept(self, order: Order) -> int:
        """Nimmt die Ware aus dem Regal, wenn genug da ist."""
        row = self._db.execute(
            "SELECT available FROM shelf WHERE article = ?", (order.article,)
        ).fetchone()
        if row is None or row[0] < order.quantity:
            raise RejectedError(
                "LagerLeer",
                f"Von „{order.article}“ sind keine {order.quantity} Stück da.",
            )
        self._move(order.article, -order.quantity)
        return order.quantity

    def give_back(self, key: str, order: Order) -> int:
        """Legt die Ware zurück ins Regal."""
        self._move(order.article, order.quantity)
        return super().give_back(key, order)

    def _move(self, article: str, quantity: int) -> None:
        self._db.execute(
            "UPDATE shelf SET available = available + ? WHERE article = ?",
            (quantity, article),
        )


class PaymentLedger(Ledger):
    """Der Zahlungsdienst. Der Betrag einer Buchung sind Cent."""

    file_name = "zahlung.sqlite3"

    def accept(self, order: Order) -> int:
        """Belastet die Karte, wenn sie nicht gesperrt ist."""
        if order.card.startswith("gesperrt"):
            raise RejectedError("KarteAbgelehnt", "Die Bank lehnt die Karte ab.")
        return order.amount_cents


class ParcelLedger(Ledger):
    """Der Versanddienst. Der Betrag einer Buchung ist ein Paket."""

    file_name = "versand.sqlite3"
    schema = "CREATE TABLE IF NOT EXISTS collected(order_number TEXT PRIMARY KEY);"

    def collect(self, order_number: str) -> None:
        """Der Fahrer hat das Paket abgeholt; ab jetzt lässt es sich nicht mehr
        abmelden.
        """
        with self._transaction() as db:
            db.execute("INSERT INTO collected VALUES (?)", (order_number,))

    def accept(self, order: Order) -> int:
        """Meldet ein Paket an, wenn der Dienst die Postleitzahl beliefert."""
        if order.postal_code == "27498":
            raise RejectedError(
                "PlzNichtBeliefert", "Nach 27498 Helgoland fährt dieser Dienst nicht."
            )
        return 1

    def give_back(self, key: str, order: Order) -> int:
        """Meldet das Paket ab, solange es noch im Haus ist."""
        if self._db.execute(
            "SELECT 1 FROM collected WHERE order_number = ?", (order.number,)
        ).fetchone():
            raise RejectedError(
                "PaketUnterwegs", "Der Fahrer hat das Paket schon abgeholt."
            )
        return super().give_back(key, order)


class InvoiceLedger(Ledger):
    """Die Buchhaltung. Eine Rechnung wird nie gelöscht, nur durch eine Stornorechnung
    aufgehoben; Beträge in Cent.
    """

    file_name = "rechnung.sqlite3"
    schema = (
        "CREATE TABLE IF NOT EXISTS open_case("
        "key TEXT PRIMARY KEY, order_number TEXT,"
        " step TEXT, operator TEXT, reason TEXT);"
    )

    def accept(self, order: Order) -> int:
        """Stellt die Rechnung aus, wenn die USt-IdNr. fehlt (Privatkundschaft) oder die
        Form stimmt.
        """
        if order.vat_id and not (
            order.vat_id.startswith("DE")
            and order.vat_id[2:].isdigit()
            and len(order.vat_id) == 11
        ):
            raise RejectedError(
                "UstIdUngueltig", f"„{order.vat_id}“ ist keine deutsche USt-IdNr."
            )
        return order.amount_cents

    def open_case(self, case: OpenCase) -> None:
        """Hält fest, was nach einem Eingriff stehen blieb; je Schlüssel einmal."""
        row = (
            case.key,
            case.order_number,
            case.skip.step,
            case.skip.operator,
            case.skip.reason,
        )
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO open_case VALUES (?, ?, ?, ?, ?)", row)


class Outbox(Ledger):
    """Der Postausgang. Der Betrag einer Buchung ist eine Mail; zurückholen lässt sie
    sich nicht.
    """

    file_name = "mail.sqlite3"

    def accept(self, order: Order) -> int:
        """Nimmt die Mail an."""
        return 1
