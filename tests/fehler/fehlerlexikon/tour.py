"""Eine Tourenplanung, die zu lange rechnet; gewöhnlicher Code ohne Temporal."""

import threading

SECONDS = 2.2
ENOUGH = threading.Event()
"""Beendet jede laufende Rechnung, damit ein Test nicht auf Wiederholungen warten muss."""


def shortest_tour(stops: int) -> int:
    """Die Länge der kürzesten Tour in Kilometern; gewartet wird hier anstelle einer langen Rechnung."""
    ENOUGH.wait(SECONDS)
    return 12 * stops
