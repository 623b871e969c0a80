"""Der Code, mit dem die alten Läufe begannen: Version 1 bis 3, wie er damals war.

Im Betrieb liegt er in der Versionsverwaltung. Hier steht er, damit Tests und Szenarien
wirklich alte Läufe erzeugen können. Neben jeder Datei liegt ein damit aufgezeichneter
Lauf.
"""
