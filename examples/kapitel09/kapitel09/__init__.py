"""Beispiele zu Kapitel 09."""
