"""Was alle Stufen des Workflows gemeinsam haben."""

from datetime import timedelta

# --8<-- [start:patch-id]
FRAUD_CHECK = "2026-11-betrugspruefung"
ADDRESS_CHECK = "2027-02-anschrift"
# --8<-- [end:patch-id]

SUSPICIOUS = "Betrugsverdacht"
"""Der Fehlertyp eines abgelehnten Auftrags."""

TIMEOUT = timedelta(seconds=10)
"""So lange darf ein Versuch einer Activity dauern."""
