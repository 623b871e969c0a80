"""Schalter der eigenen Tests, der gemeinsame Server und die Verteilung auf mehrere Prozesse."""

from collections.abc import Mapping

import pytest

SWITCHES = {
    "mutant": ("--mutanten", "führt auch die Testläufe gegen absichtlich beschädigten Code aus"),
    "bank": ("--bank", "führt auch die Zeitmessungen aus"),
}
# Teure Fixtures für den ganzen Testlauf: Wer dieselbe braucht, läuft im selben Prozess.
SHARED = {"site": "buch", "zensical_site": "buch", "browser": "buch", "executed": "notebooks", "recorded": "historie"}


def pytest_addoption(parser: pytest.Parser) -> None:
    for option, text in SWITCHES.values():
        parser.addoption(option, action="store_true", help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if getattr(config.option, "numprocesses", None):
        config.option.dist = "loadgroup"


# Vor xdist, das die Gruppen genau einmal liest.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for marker, (option, _) in SWITCHES.items():
            if item.get_closest_marker(marker) and not config.getoption(option):
                item.add_marker(pytest.mark.skip(reason=f"läuft nur mit {option}"))
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in SHARED:
                item.add_marker(pytest.mark.xdist_group(SHARED[fixture]))


@pytest.fixture(scope="session")
def search_attributes() -> Mapping[str, str]:
    """Die Suchattribute aller Muster und Tests; der Server kennt sie vom Start an."""
    from dauerlauf.scenario import patterns

    found = {name: kind for pattern in patterns().values() for name, kind in pattern.search_attributes.items()}
    return {"BestellStatus": "Keyword", **found}
