"""Was ein Lauf sich merkt."""

from sendungen import Parcel

PARCELS: list[Parcel] = []
