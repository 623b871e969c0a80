"""`python -m kapitel08.aenderungskatalog [thema]` druckt die Tabellen des Katalogs."""

import asyncio
import atexit
import logging
import sys
import time

from kapitel08.aenderungskatalog.catalogue import TOPICS, table


def main(topics: list[str]) -> int:
    """Druckt die Themen, ohne Angabe alle; gibt 2 zurück, wenn es eines nicht gibt."""
    if unknown := [topic for topic in topics if topic not in TOPICS]:
        known = ", ".join(TOPICS)
        print(
            f"Das Thema „{unknown[0]}“ gibt es nicht; es gibt: {known}.",
            file=sys.stderr,
        )
        return 2
    # Was ein Replay stört, steht in der Tabelle; im Log stünde es noch einmal.
    logging.getLogger("temporalio.worker").setLevel(logging.CRITICAL)
    for topic in topics or TOPICS:
        print(asyncio.run(table(topic)))
    return 0


if __name__ == "__main__":
    # Ohne diese Pause stirbt der Prozess beim Beenden manchmal mit SIGABRT
    # (temporalio/sdk-python#300).
    atexit.register(time.sleep, 0.1)
    sys.exit(main(sys.argv[1:]))
