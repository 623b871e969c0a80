"""Muster `dead_letter_queue`: Was nicht geht, wartet sichtbar auf eine Entscheidung."""
