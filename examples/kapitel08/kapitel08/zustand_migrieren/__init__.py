"""Muster `zustand_migrieren`: Gespeicherte Daten alter Form bleiben lesbar, über vier
Schema-Versionen.
"""
