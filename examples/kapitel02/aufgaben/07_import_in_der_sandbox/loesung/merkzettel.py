"""Was ein Lauf sich merkt."""

from dataclasses import dataclass, field

from sendungen import Parcel


@dataclass
class Notes:
    """Der Merkzettel eines Laufs."""

    parcels: list[Parcel] = field(default_factory=list)
