"""Mahnwesen: ein Projekt, das von Dauerlauf nur das pytest-Plugin benutzt."""
