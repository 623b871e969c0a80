"""Beispiele zu Kapitel 02."""
