"""Eine Sammelrechnung: Pakete sammeln, am Ende des Tages abrechnen."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    import tarife
    from merkzettel import Notes
    from sendungen import Express, Parcel


@workflow.defn
class CollectParcels:
    """Sammelt die Pakete eines Kunden und gibt am Ende den Betrag in Cent zurück."""

    def __init__(self) -> None:
        self._closed = False
        self._notes = Notes()

    @workflow.run
    async def run(self, customer: str) -> int:
        await workflow.wait_condition(lambda: self._closed)
        return sum(tarife.cents(parcel) for parcel in self._notes.parcels)

    @workflow.signal
    def add(self, number: str, express: bool) -> None:
        """Ein Paket kommt dazu."""
        self._notes.parcels.append(Express(number) if express else Parcel(number))

    @workflow.signal
    def close(self) -> None:
        """Der Tag ist zu Ende."""
        self._closed = True

    @workflow.query
    def count(self) -> int:
        """Wie viele Pakete gesammelt sind."""
        return len(self._notes.parcels)
