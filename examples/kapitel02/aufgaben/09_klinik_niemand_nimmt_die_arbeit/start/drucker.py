"""Der Etikettendrucker eines Lagers. Diese Datei ist vorgegeben."""

from temporalio import activity


def queue(site: str) -> str:
    """Die Task Queue, auf der der Worker am Drucker hört."""
    return f"etiketten-{site.lower()}"


@activity.defn
async def print_label(number: str) -> str:
    """Druckt ein Etikett; die Prüfung betreibt den Drucker."""
    raise NotImplementedError
