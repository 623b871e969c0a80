"""Einen verdorbenen Lauf an eine frühere Stelle zurücksetzen."""
