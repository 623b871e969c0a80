"""Der Änderungskatalog: kleine Änderungen an einem Workflow, jede abgespielt gegen
aufgezeichnete Läufe ihrer Version 1.
"""
