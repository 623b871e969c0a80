"""Muster `circuit_breaker`: Ein gestörter Dienst wird nicht angerufen, bis er sich
erholt hat.
"""
