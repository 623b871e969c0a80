"""Muster `rate_limit`: Kein Fenster überschreitet das Limit des Anbieters, und keine
Anfrage geht verloren.
"""
