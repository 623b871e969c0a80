"""Was `dauerlauf uebe` und `dauerlauf neue-uebung` tun; geladen erst, wenn einer davon läuft."""

from pathlib import Path

from dauerlauf.check import project_root
from dauerlauf.exercises import authoring


def new_exercise(number: str, title: str, rung: str) -> None:
    """Legt das Gerüst einer Übung an und sagt, was daran zu tun bleibt."""
    folder = authoring.create(project_root(Path.cwd()), number, title, rung)
    print(f"Angelegt: {folder}")
    print("Füllen Sie aufgabe.md, start/, loesung/ und pruefung.py; `dauerlauf pruefe` nennt, was noch fehlt.")
    print(f'Ihre Tests: pytest tests/aufgaben --gruendlich -k "{number}-"')
