"""Das fremde Projekt hat eigene Tests; sie laufen in seiner eigenen Umgebung (test_pytest_plugin.py)."""

collect_ignore = ["fremdes_projekt"]
