"""Muster `verschluesselung`: Der Server speichert nur, was er nicht lesen kann."""
