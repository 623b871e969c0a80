"""Muster `codec_server`: Menschen lesen, was der Temporal Server nicht lesen kann."""
