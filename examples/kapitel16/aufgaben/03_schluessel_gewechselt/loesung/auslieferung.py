"""Der Wechsel des Schlüssels: welcher Stand nacheinander ausgeliefert wird."""

import hashlib

from codec import KeyRing, data_converter


def _key(name: str) -> bytes:
    # Im Betrieb stehen Schlüssel nie im Quelltext.
    return hashlib.sha256(f"Übungsschlüssel {name}".encode()).digest()


OLD, NEW = "2026-10", "2026-11"

# Das läuft heute.
today = data_converter(KeyRing({OLD: _key(OLD)}, active=OLD))

BOTH = {OLD: _key(OLD), NEW: _key(NEW)}
step_1 = data_converter(KeyRing(BOTH, active=OLD))
step_2 = data_converter(KeyRing(BOTH, active=NEW))
