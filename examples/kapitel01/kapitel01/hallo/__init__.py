"""Muster `hallo`: der kleinste ehrliche Workflow – ein Schritt, eine Wirkung."""
