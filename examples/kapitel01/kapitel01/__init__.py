"""Beispiele zu Kapitel 01."""
