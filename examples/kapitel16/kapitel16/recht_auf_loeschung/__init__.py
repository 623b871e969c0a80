"""Muster `recht_auf_loeschung`: ein Schlüssel je Person; Löschen vernichtet ihn."""
