"""Ihre Activities."""

import json
from pathlib import Path

from temporalio import activity


@activity.defn
def read_fee() -> int:
    """Die Mahngebühr aus `gebuehren.json`, in Cent."""
    fees = json.loads(Path("gebuehren.json").read_text())
    cents: int = fees["mahnung_cent"]
    return cents
