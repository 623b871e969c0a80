"""Beispiele zu Kapitel 07."""
