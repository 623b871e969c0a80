"""Beispiele zu Kapitel 08."""
