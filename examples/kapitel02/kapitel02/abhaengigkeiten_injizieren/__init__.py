"""Muster `abhaengigkeiten_injizieren`: Der Worker öffnet, die Activity benutzt."""
