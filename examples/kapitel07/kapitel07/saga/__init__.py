"""Muster `saga`: Ein Auftrag über vier fremde Dienste gilt ganz oder gar nicht."""
