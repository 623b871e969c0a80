"""Der Schlüsselbund. Diese Datei ist vorgegeben.

Im Betrieb stehen Schlüssel nie im Quelltext; hier spielen sie mit offenen Karten.
"""

import hashlib

ACTIVE = "2026-11"
"""Mit diesem Schlüssel wird versiegelt."""

KEYS = {
    name: hashlib.sha256(f"Übungsschlüssel {name}".encode()).digest()
    for name in ("2026-10", "2026-11")
}
"""Alle Schlüssel, mit denen geöffnet werden kann, nach ihrer Kennung."""
