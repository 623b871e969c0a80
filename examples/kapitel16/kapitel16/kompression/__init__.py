"""Muster `kompression`: Große Payloads passen durch das Limit des Servers."""
