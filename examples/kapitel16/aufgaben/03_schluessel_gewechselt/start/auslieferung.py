"""Der Wechsel des Schlüssels: welcher Stand nacheinander ausgeliefert wird."""

import hashlib

from codec import KeyRing, data_converter


def _key(name: str) -> bytes:
    # Im Betrieb stehen Schlüssel nie im Quelltext.
    return hashlib.sha256(f"Übungsschlüssel {name}".encode()).digest()


OLD, NEW = "2026-10", "2026-11"

# Das läuft heute.
today = data_converter(KeyRing({OLD: _key(OLD)}, active=OLD))

# Lücke: Was können alte und neue Prozesse lesen, während dies ausgeliefert wird?
step_1 = data_converter(KeyRing({NEW: _key(NEW)}, active=NEW))
step_2 = step_1
