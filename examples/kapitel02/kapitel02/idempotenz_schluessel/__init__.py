"""Muster `idempotenz_schluessel`: Was zweimal ankommt, wirkt einmal."""
