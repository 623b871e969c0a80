"""Der Schlüsselbund: ein Schlüssel zum Schreiben, alle bisherigen zum Lesen."""

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENVIRONMENT = "NORDLICHT_SCHLUESSEL"
KEY_BYTES = 32

# Die Kennung steht offen in jedem Payload; sie soll nichts verraten und nichts brechen.
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class KeyRingError(ValueError):
    """Der Schlüsselbund ist unbrauchbar; der Text sagt, warum."""


class UnknownKeyError(LookupError):
    """Ein Payload verlangt einen Schlüssel, den dieser Bund nicht enthält."""

    def __init__(self, key_id: str, known: Mapping[str, bytes]) -> None:
        """Nennt den verlangten Schlüssel und die vorhandenen, nie ihre Bytes."""
        super().__init__(
            f"Der Schlüssel „{key_id}“ fehlt im Schlüsselbund "
            f"(vorhanden: {', '.join(sorted(known))})."
        )
        self.key_id = key_id


def new_key() -> bytes:
    """Ein zufälliger Schlüssel für AES-256."""
    return AESGCM.generate_key(KEY_BYTES * 8)


class KeyRing:
    """Unveränderlich: Eine Rotation ergibt einen neuen Bund."""

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        """Nimmt Schlüssel von 32 Bytes nach Kennung; `active` versiegelt neue Payloads.

        Wirft `KeyRingError` bei falscher Länge oder Kennung oder wenn `active` fehlt.
        """
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise KeyRingError(f"Keine gültige Kennung: „{key_id}“.")
            if len(key) != KEY_BYTES:
                raise KeyRingError(
                    f"Der Schlüssel „{key_id}“ hat {len(key)} Bytes statt {KEY_BYTES}."
                )
        # --8<-- [start:ring]
        if active not in keys:
            raise KeyRingError(f"Der aktive Schlüssel „{active}“ fehlt im Bund.")
        self._keys = dict(keys)
        self.active = active

    def key(self, key_id: str) -> bytes:
        """Der Schlüssel zu einer Kennung; wirft `UnknownKeyError`."""
        try:
            return self._keys[key_id]
        except KeyError:
            raise UnknownKeyError(key_id, self._keys) from None

    # --8<-- [end:ring]

    @property
    def key_ids(self) -> frozenset[str]:
        """Die Kennungen aller Schlüssel dieses Bundes."""
        return frozenset(self._keys)

    # --8<-- [start:rotation]
    def with_key(self, key_id: str, key: bytes) -> "KeyRing":
        """Erster Schritt einer Rotation: lesen können, noch nicht damit schreiben."""
        if key_id in self._keys:
            raise KeyRingError(f"Den Schlüssel „{key_id}“ gibt es schon.")
        return KeyRing({**self._keys, key_id: key}, self.active)

    def activate(self, key_id: str) -> "KeyRing":
        """Zweiter Schritt: Neue Payloads bekommen diesen Schlüssel."""
        return KeyRing(self._keys, key_id)

    def without(self, key_id: str) -> "KeyRing":
        """Letzter Schritt: Was mit diesem Schlüssel versiegelt ist, bleibt es."""
        self.key(key_id)
        rest = {name: key for name, key in self._keys.items() if name != key_id}
        return KeyRing(rest, self.active)

    # --8<-- [end:rotation]

    @classmethod
    def create(cls, key_id: str) -> Self:
        """Ein Bund mit einem einzigen neuen Schlüssel."""
        return cls({key_id: new_key()}, key_id)

    # --8<-- [start:load]
    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Liest `{"active": "...", "keys": {"...": "<Base64>"}}`.

        Wirft `KeyRingError`, wenn die Datei fehlt oder etwas anderes enthält.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            keys = {
                key_id: base64.b64decode(key, validate=True)
                for key_id, key in content["keys"].items()
            }
            active = str(content["active"])
        except OSError as error:
            raise KeyRingError(
                f"Der Schlüsselbund {path} ist nicht lesbar: {error.strerror}."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            # Ohne Ursache: Ihre Meldung könnte Teile der Datei zitieren.
            raise KeyRingError(f"{path} enthält keinen Schlüsselbund.") from None
        return cls(keys, active)

    # --8<-- [end:load]

    @classmethod
    def from_environment(cls) -> Self:
        """Liest die Datei, die `NORDLICHT_SCHLUESSEL` nennt; wirft `KeyRingError`."""
        path = os.environ.get(ENVIRONMENT)
        if not path:
            raise KeyRingError(
                f"Die Umgebungsvariable {ENVIRONMENT} fehlt; sie nennt die Datei "
                "mit dem Schlüsselbund."
            )
        return cls.load(path)

    def save(self, path: str | Path) -> None:
        """Schreibt den Bund so, dass nur der Besitzer ihn lesen darf."""
        content = {
            "active": self.active,
            "keys": {
                key_id: base64.b64encode(key).decode()
                for key_id, key in self._keys.items()
            },
        }
        target = Path(path)
        draft = target.with_name(f"{target.name}.neu")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        draft.replace(target)

    def __repr__(self) -> str:
        """Nennt Kennungen, nie Schlüssel: Ein `repr` landet leicht in einem Log."""
        return f"KeyRing(active={self.active!r}, keys={sorted(self._keys)})"
