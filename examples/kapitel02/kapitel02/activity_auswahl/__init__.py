"""Muster `activity_auswahl`: zur Laufzeit die Activity wählen, vorher ihre Art."""
