"""Beispiele zu Kapitel 16."""
