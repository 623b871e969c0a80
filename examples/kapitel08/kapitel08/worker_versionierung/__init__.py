"""Worker-Versionierung: Jede Ausführung bleibt bei der Version, mit der sie begann."""
