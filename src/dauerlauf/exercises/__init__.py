"""Die Werkstatt: Übungen, die sich selbst prüfen.

Eine Übung ist ein Ordner `examples/kapitelNN/aufgaben/NN_name/` mit `aufgabe.md`, `start/`, `loesung/` und
`pruefung.py`; wie die Teile zusammenpassen, steht in CONTRIBUTING.md. Dieses Modul ist alles, was `pruefung.py`
braucht, und dazu `pruefe` für Notebooks.
"""

from dauerlauf.exercises.bench import Bench, Failed, Run, Running, expect
from dauerlauf.exercises.checks import Question, Wrong
from dauerlauf.exercises.notebook import pruefe

__all__ = ["Bench", "Failed", "Question", "Run", "Running", "Wrong", "expect", "pruefe"]
