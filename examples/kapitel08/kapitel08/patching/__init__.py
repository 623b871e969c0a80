"""Patching: ein laufender Workflow überlebt eine Änderung seines Codes."""
