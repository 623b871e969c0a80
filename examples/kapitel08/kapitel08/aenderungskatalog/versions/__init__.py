"""Je Thema ein Modul: zuerst Version 1, dann jede Änderung als eigene Klasse.

Der Docstring einer Klasse ist der Text ihrer Zeile im Katalog.
"""
