"""Zu jedem Eintrag des Fehlerlexikons ein Modul: der Code, der die Meldung auslöst, und der reparierte."""
