"""Was Workflows und Activities der Tests zu Kapitel 2 erlebt haben; die Sandbox reicht dieses Modul durch."""

from collections import defaultdict
from collections.abc import Sequence

SEEN: dict[str, list[object]] = defaultdict(list)
ALTERNATING: list[Sequence[str]] = []


def note(key: str, value: object) -> None:
    """Schreibt `value` unter `key` auf."""
    SEEN[key].append(value)
