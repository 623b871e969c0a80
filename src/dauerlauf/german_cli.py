"""Typer spricht Deutsch: Hilfe und Fehler der Kommandozeile."""

import re
from typing import Any

from typer._click import exceptions
from typer.core import TyperCommand, TyperGroup

# Typer baut seine Hilfe aus festen englischen Bausteinen; ein Test stellt sicher, dass keiner übrig bleibt. Die
# deutschen sind gleich lang, wo dahinter eine Spalte beginnt.
_HELP = (
    ("Usage:", "Aufruf:"),
    ("Options:", "Optionen:"),
    ("Commands:", "Befehle:"),
    ("Arguments:", "Argumente:"),
    ("Show this message and exit.", "Diese Hilfe zeigen."),
    ("[default: ", "[Vorgabe: "),
    ("[required]", "[nötig]"),
    ("COMMAND [ARGS]...", "BEFEHL [ARGUMENTE]..."),
    ("[OPTIONS]", "[OPTIONEN]"),
    ("<int>", "ZAHL "),
    ("<path>", "DATEI "),
    (" <str>", ""),
)


class _GermanHelp:
    def get_help(self, ctx: Any) -> str:
        text: str = super().get_help(ctx)  # type: ignore[misc]
        for english, german in _HELP:
            text = text.replace(english, german)
        return re.sub(r"\{([A-Z_]+)\}", r"\1", text)


class GermanCommand(_GermanHelp, TyperCommand):
    """Ein Befehl mit deutscher Hilfe."""


class GermanGroup(_GermanHelp, TyperGroup):
    """Eine Befehlsgruppe mit deutscher Hilfe."""


def sentence(error: exceptions.ClickException) -> str:
    """Der deutsche Satz zu einem Fehler im Aufruf: was falsch ist und was zu tun ist."""
    help_hint = "`--help` zeigt, was möglich ist."
    if isinstance(error, exceptions.NoSuchOption):
        return f"Die Option „{error.option_name}“ gibt es hier nicht; {help_hint}"
    if isinstance(error, exceptions.MissingParameter):
        return f"Es fehlt die Angabe {_name(error)}; {help_hint}"
    if isinstance(error, exceptions.BadParameter):
        return f"Der Wert für {_name(error)} passt nicht; {help_hint}"
    if isinstance(error, exceptions.BadOptionUsage) and "requires 2 arguments" in error.format_message():
        return f"Die Option „{error.option_name}“ braucht zwei Angaben; {help_hint}"
    if isinstance(error, exceptions.BadOptionUsage):
        return f"Die Option „{error.option_name}“ ist falsch benutzt; {help_hint}"
    message = error.format_message()
    if found := re.search(r"No such command '(.*?)'", message):
        return f"Den Befehl „{found[1]}“ gibt es nicht; {help_hint}"
    if found := re.search(r"unexpected extra argument\(?s?\)? \((.*)\)", message):
        return f"Die Angabe „{found[1]}“ ist zu viel; {help_hint}"
    return f"Der Aufruf ist nicht zu verstehen ({message}); {help_hint}"


def _name(error: exceptions.BadParameter) -> str:
    parameter = error.param
    if parameter is None:
        return str(error.param_hint)
    name = parameter.opts[0]
    return name if name.startswith("-") else str(parameter.metavar or name)
