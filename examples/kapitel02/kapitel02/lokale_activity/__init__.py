"""Muster `lokale_activity`: kurze Schritte im Prozess des Workflows ausführen."""
