"""Der Schlüsselspeicher: ein Datenschlüssel je Person und Zweck, verpackt abgelegt.

Er liegt weder beim Temporal Server noch in dessen Sicherung. In der Tabelle stehen die
Datenschlüssel nur verschlüsselt; der Hauptschlüssel, der sie öffnet, liegt in einer
eigenen Datei, im Betrieb in einem KMS oder HSM.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kapitel16.verschluesselung.codec import NONCE_BYTES
from kapitel16.verschluesselung.keys import KeyRing, new_key

KEY_FILE = "schluessel.sqlite"
MASTER_FILE = "hauptschluessel.json"

# `master` sagt, welcher Hauptschlüssel verpackt hat; `at` ist UTC nach ISO 8601.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS keys "
    "(id TEXT PRIMARY KEY, wrapped BLOB NOT NULL, master TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS destroyed (id TEXT PRIMARY KEY, at TEXT NOT NULL)",
)


class KeyStoreError(LookupError):
    """Zu dieser Kennung gibt es keinen brauchbaren Schlüssel."""


class KeyMissingError(KeyStoreError):
    """Diesen Schlüssel hat der Speicher nie gekannt; das ist ein Fehler im Betrieb."""


class KeyDestroyedError(KeyStoreError):
    """Dieser Schlüssel wurde vernichtet; was er versiegelt hat, ist gelöscht."""


class KeyStore:
    """Öffnet den Speicher in `folder` und legt ihn an, wenn es ihn nicht gibt."""

    def __init__(self, folder: Path) -> None:
        """In `folder` liegen die Tabelle und, hier nur der Kürze wegen, daneben der
        Hauptschlüssel. Wirft `KeyStoreError`, wenn nur dieser fehlt.
        """
        self._database = folder / KEY_FILE
        self._master = folder / MASTER_FILE
        with self._open() as connection:
            for table in SCHEMA:
                connection.execute(table)
            if not self._master.is_file():
                # Ein neuer verdeckte den Verlust, bis jemand den alten zurückspielt.
                if connection.execute("SELECT 1 FROM keys").fetchone():
                    raise KeyStoreError(f"Der Hauptschlüssel {self._master} fehlt.")
                KeyRing.create("haupt-1").save(self._master)

    # --8<-- [start:open]
    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._database, isolation_level=None, timeout=10)
        try:
            connection.execute("PRAGMA secure_delete = ON")  # (!)
            connection.execute("BEGIN IMMEDIATE")
            with connection:
                yield connection
        finally:
            connection.close()

    # --8<-- [end:open]

    def create(self, key_id: str) -> None:
        """Legt einen Schlüssel an; einen vorhandenen lässt es, wie er ist.

        Wirft `KeyDestroyedError`, wenn es ihn schon einmal gab.
        """
        with self._open() as connection:
            _refuse_destroyed(connection, key_id)
            # Erst hier: Ein Wechsel des Hauptschlüssels wartet nun auf das Ende.
            ring = KeyRing.load(self._master)
            connection.execute(
                "INSERT OR IGNORE INTO keys (id, wrapped, master) VALUES (?, ?, ?)",
                (key_id, _wrap(ring, ring.active, key_id, new_key()), ring.active),
            )

    def key(self, key_id: str) -> bytes:
        """Der Datenschlüssel; wirft `KeyMissingError` oder `KeyDestroyedError`."""
        with self._open() as connection:
            _refuse_destroyed(connection, key_id)
            query = "SELECT wrapped, master FROM keys WHERE id = ?"
            row = connection.execute(query, (key_id,)).fetchone()
            ring = KeyRing.load(self._master)
        if row is None:
            raise KeyMissingError(f"Den Schlüssel „{key_id}“ gibt es nicht.")
        wrapped, master = row
        return _unwrap(ring, master, key_id, wrapped)

    # --8<-- [start:destroy]
    def destroy(self, key_id: str, at: str) -> str:
        """Vernichtet den Schlüssel; gibt zurück, wann das zum ersten Mal geschah."""
        with self._open() as connection:
            connection.execute("DELETE FROM keys WHERE id = ?", (key_id,))
            connection.execute(
                "INSERT OR IGNORE INTO destroyed (id, at) VALUES (?, ?)", (key_id, at)
            )
            query = "SELECT at FROM destroyed WHERE id = ?"
            first: str = connection.execute(query, (key_id,)).fetchone()[0]
        return first

    # --8<-- [end:destroy]

    # --8<-- [start:rotate]
    def rotate_master(self) -> str:
        """Verpackt jeden Schlüssel neu und wirft den alten Hauptschlüssel weg.

        Danach ist jede ältere Sicherung der Tabelle wertlos. Ein zweiter Aufruf nach
        einem Absturz macht weiter.
        """
        with self._open() as connection:
            ring = KeyRing.load(self._master)
            new = f"haupt-{int(ring.active.removeprefix('haupt-')) + 1}"
            both = ring.with_key(new, new_key()).activate(new)
            both.save(self._master)
            rows = connection.execute("SELECT id, wrapped, master FROM keys")
            for key_id, wrapped, master in rows.fetchall():
                key = _unwrap(both, master, key_id, wrapped)
                connection.execute(
                    "UPDATE keys SET wrapped = ?, master = ? WHERE id = ?",
                    (_wrap(both, new, key_id, key), new, key_id),
                )
        with self._open():  # Hat inzwischen ein anderer gewechselt, räumt er auf.
            if KeyRing.load(self._master).active == new:
                KeyRing({new: both.key(new)}, new).save(self._master)  # (!)
        return new

    # --8<-- [end:rotate]

    def living(self) -> dict[str, bytes]:
        """Alle noch vorhandenen Schlüssel; für den Nachweis, dass keiner mehr passt."""
        with self._open() as connection:
            rows = connection.execute("SELECT id, wrapped, master FROM keys").fetchall()
            ring = KeyRing.load(self._master)
        return {
            key_id: _unwrap(ring, master, key_id, wrapped)
            for key_id, wrapped, master in rows
        }


def _refuse_destroyed(connection: sqlite3.Connection, key_id: str) -> None:
    query = "SELECT at FROM destroyed WHERE id = ?"
    if row := connection.execute(query, (key_id,)).fetchone():
        raise KeyDestroyedError(f"Der Schlüssel „{key_id}“ ist seit {row[0]} gelöscht.")


# --8<-- [start:wrap]
def _wrap(ring: KeyRing, master: str, key_id: str, key: bytes) -> bytes:
    """Verpackt einen Datenschlüssel; er gilt nur unter seiner Kennung."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(ring.key(master)).encrypt(nonce, key, key_id.encode())


# --8<-- [end:wrap]


def _unwrap(ring: KeyRing, master: str, key_id: str, wrapped: bytes) -> bytes:
    nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
    try:
        return AESGCM(ring.key(master)).decrypt(nonce, sealed, key_id.encode())
    except InvalidTag:
        raise KeyStoreError(
            f"Der Schlüssel „{key_id}“ gehört nicht zu diesem Hauptschlüssel."
        ) from None


class _Known(NamedTuple):
    key: bytes
    until: float


class KeyCache:
    """Merkt sich Schlüssel, aber keinen länger als `lifetime` Sekunden.

    So lange wirkt eine Löschung in diesem Prozess höchstens nicht.
    """

    def __init__(
        self,
        store: KeyStore,
        lifetime: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._lifetime = lifetime
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self.lookups = 0

    # --8<-- [start:cache]
    def key(self, key_id: str) -> bytes:
        """Wie `KeyStore.key`."""
        now = self._clock()  # (1)
        self._known = {i: k for i, k in self._known.items() if now < k.until}  # (2)
        if key_id not in self._known:
            self.lookups += 1
            key = self._store.key(key_id)
            self._known[key_id] = _Known(key, now + self._lifetime)
        return self._known[key_id].key

    # --8<-- [end:cache]
