"""Eine Sammelrechnung: Pakete sammeln, am Ende des Tages abrechnen."""

from sendungen import Express, Parcel
from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import merkzettel
    import tarife


@workflow.defn
class CollectParcels:
    """Sammelt die Pakete eines Kunden und gibt am Ende den Betrag in Cent zurück."""

    def __init__(self) -> None:
        self._closed = False

    @workflow.run
    async def run(self, customer: str) -> int:
        await workflow.wait_condition(lambda: self._closed)
        return sum(tarife.cents(parcel) for parcel in merkzettel.PARCELS)

    @workflow.signal
    def add(self, number: str, express: bool) -> None:
        """Ein Paket kommt dazu."""
        merkzettel.PARCELS.append(Express(number) if express else Parcel(number))

    @workflow.signal
    def close(self) -> None:
        """Der Tag ist zu Ende."""
        self._closed = True

    @workflow.query
    def count(self) -> int:
        """Wie viele Pakete gesammelt sind."""
        return len(merkzettel.PARCELS)
