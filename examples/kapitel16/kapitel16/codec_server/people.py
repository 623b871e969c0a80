"""Wer den Codec-Server benutzen darf: Personen, ihre Tokens und ihre Rechte.

`python -m kapitel16.codec_server.people anke --datei personen.json --lesen default`
legt eine Person an und zeigt ihr Token ein einziges Mal.
"""

import argparse
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path


class Right(StrEnum):
    """Was jemand in einem Namespace tun darf."""

    READ = "lesen"
    WRITE = "schreiben"


@dataclass(frozen=True)
class Person:
    """Ein Mensch oder Programm mit eigenem Token; gespeichert ist nur dessen Hash."""

    name: str
    token_hash: str
    rights: Mapping[Right, frozenset[str]]

    def may(self, right: Right, namespace: str) -> bool:
        """Ob das Recht in diesem Namespace gilt."""
        return namespace in self.rights.get(right, ())


class PeopleError(ValueError):
    """Die Datei der Personen ist unbrauchbar; der Text sagt, warum."""


# --8<-- [start:people]
class People:
    """Findet zum Token die Person."""

    def __init__(self, people: Sequence[Person], anyone: Person | None = None) -> None:
        """Nimmt alle, die es gibt; `anyone` gilt, wer kein Token vorzeigt."""
        self._people = tuple(people)
        self._anyone = anyone

    def find(self, authorization: str) -> Person | None:
        """Die Person zum Kopf `Authorization`, oder `None`."""
        if not authorization:
            return self._anyone
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        found = None
        for person in self._people:  # Immer alle: Die Dauer soll nichts verraten.
            if compare_digest(person.token_hash, hash_token(token)):  # (!)
                found = person
        return found


def hash_token(token: str) -> str:
    """Der gespeicherte Hash; ohne Salz, denn ein Token ist Zufall von 256 Bit."""
    return sha256(token.encode()).hexdigest()


# --8<-- [end:people]


def new_person(
    name: str, read: Sequence[str] = (), write: Sequence[str] = ()
) -> tuple[Person, str]:
    """Eine Person und ihr neues Token, das nirgends gespeichert ist."""
    token = secrets.token_urlsafe(32)
    rights = {Right.READ: frozenset(read), Right.WRITE: frozenset(write)}
    return Person(name, hash_token(token), rights), token


def load(path: Path) -> list[Person]:
    """Liest die Personen; wirft `PeopleError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return [
            Person(
                str(name),
                str(entry["token"]),
                {right: _names(entry[right]) for right in Right},
            )
            for name, entry in content.items()
        ]
    except OSError as error:
        raise PeopleError(f"{path} ist nicht lesbar: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise PeopleError(f"{path} enthält keine Personen.") from None


def _names(listed: object) -> frozenset[str]:
    if not isinstance(listed, list):  # Eine Zeichenkette zerfiele in Buchstaben.
        raise TypeError
    return frozenset(listed)


def save(path: Path, people: Sequence[Person]) -> None:
    """Schreibt die Personen so, dass nur der Besitzer der Datei sie lesen darf."""
    content = {
        person.name: {
            "token": person.token_hash,
            **{right: sorted(person.rights.get(right, ())) for right in Right},
        }
        for person in people
    }
    path.touch(mode=0o600)
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")


def main() -> int:
    """Kommandozeile: legt eine Person an oder gibt ihr ein neues Token."""
    parser = argparse.ArgumentParser(description="Zugänge zum Codec-Server.")
    parser.add_argument("name")
    parser.add_argument("--datei", type=Path, required=True)
    parser.add_argument("--lesen", nargs="*", default=[], metavar="NAMESPACE")
    parser.add_argument("--schreiben", nargs="*", default=[], metavar="NAMESPACE")
    options = parser.parse_args()
    try:
        known = load(options.datei) if options.datei.exists() else []
    except PeopleError as error:
        print(error, file=sys.stderr)
        return 2
    person, token = new_person(options.name, options.lesen, options.schreiben)
    save(options.datei, [*(p for p in known if p.name != person.name), person])
    print(token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
