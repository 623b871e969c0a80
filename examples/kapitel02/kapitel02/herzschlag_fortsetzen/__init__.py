"""Muster `herzschlag_fortsetzen`: Eine lange Activity geht weiter, wo sie war."""
