"""Variablen eines Workflows als kurzer deutscher Text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from functools import partial
from inspect import getmodule
from pathlib import PurePath
from types import FrameType, FunctionType, MethodType, ModuleType
from typing import Any
from uuid import UUID

from dauerlauf.history._text import duration_text, one_line, shorten, size_text

Variables = tuple[tuple[str, str], ...]
"""Name und Text jeder Variablen, zuerst die des Workflow-Objekts."""

_LENGTH = 90
_DEPTH = 4


def frame_variables(workflow: object, frames: Sequence[FrameType], own: Callable[[str], bool]) -> Variables:
    """Was an einer Stelle des Workflow-Codes zu sehen ist.

    Args:
        workflow: Das Workflow-Objekt; seine Attribute heißen ``self.…``. ``None`` vor dem ersten Workflow-Task.
        frames: Die Funktionen des Workflows, in denen er steckt, von außen nach innen.
        own: Ob eine Datei zum Code der Leserin gehört. Objekte fremder Klassen bleiben weg.

    Returns:
        Name und Text je Variable. Heißen zwei gleich und enthalten Verschiedenes, trägt die innere den Namen ihrer
        Funktion (``_step: request``). Weg bleibt, was sich nicht kurz und in jedem Prozess gleich sagen lässt.
    """
    found: dict[str, str] = {}
    writer = _Writer(own)
    for name, value in _attributes(workflow):
        for path, text in writer.named(f"self.{name}", value):
            found[path] = text
    for frame in frames:
        for name, value in frame.f_locals.items():
            if value is workflow or not name.isidentifier():
                continue
            for path, text in writer.named(name, value):
                if found.get(path, text) != text:
                    path = f"{frame.f_code.co_name}: {path}"
                found[path] = text
    return tuple(found.items())


class _Writer:
    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own

    def named(self, name: str, value: object) -> Iterator[tuple[str, str]]:
        """Eine Variable; ein Objekt mit eigenem Zustand wird zu einer Zeile je Attribut."""
        if self._has_state(value):
            for attribute, inner in _attributes(value):
                if (text := self._text(inner, 1)) is not None:
                    yield f"{name}.{attribute}", shorten(text, _LENGTH)
        elif (text := self._text(value, 0)) is not None:
            yield name, shorten(text, _LENGTH)

    def _has_state(self, value: object) -> bool:
        kind = type(value)
        file = getattr(getmodule(kind), "__file__", None) or ""
        return self._own(file) and not is_dataclass(value) and not isinstance(value, (type, Enum, BaseException))

    def _text(self, value: Any, depth: int) -> str | None:
        """Der Text eines Werts; ``None``, wenn er sich nicht zeigen lässt."""
        if depth > _DEPTH:
            return "…"
        match value:
            case None:
                return "None"
            case bool():
                return "ja" if value else "nein"
            case Enum():
                return self._text(value.value, depth) if isinstance(value, str) else value.name
            case str():
                # Der ganze Text kann Megabytes lang sein; länger als zwei Sekunden darf ein Workflow-Task nicht dauern.
                return f"„{one_line(value[: 10 * _LENGTH])}“"
            case int() | float():
                return str(value)
            case timedelta():
                return duration_text(value) if value >= timedelta(0) else f"-{duration_text(-value)}"
            case date() | time():
                return value.isoformat()
            case bytes() | bytearray():
                return f"Binärdaten ({size_text(len(value))})"
            case PurePath() | UUID():
                return f"„{value}“"
            case BaseException():
                return f"{type(value).__name__}: {one_line(str(value))}"
            case FunctionType() | MethodType() | partial():
                return self._function(value)
            case type() | ModuleType():
                return None
            case Mapping():
                return self._pairs(((one_line(str(key)), item) for key, item in value.items()), depth)
            case Set():
                texts = (self._text(item, depth + 1) for item in value)
                return "{" + ", ".join(sorted(text for text in texts if text is not None)) + "}"
            case list() | tuple():
                texts = (self._text(item, depth + 1) for item in value)
                return "[" + ", ".join(text for text in texts if text is not None) + "]"
        if is_dataclass(value):
            return self._pairs(_told(value), depth) if any(True for _ in _told(value)) else type(value).__name__
        return self._pairs(_attributes(value), depth + 1) if self._has_state(value) else None

    def _function(self, value: Any) -> str | None:
        function = getattr(value, "__func__", getattr(value, "func", value))
        code = getattr(function, "__code__", None)
        if code is None or not self._own(code.co_filename) or "<" in function.__qualname__:
            return None
        return str(function.__qualname__)

    def _pairs(self, pairs: Iterator[tuple[str, Any]], depth: int) -> str:
        texts = ((name, self._text(value, depth + 1)) for name, value in pairs)
        joined = ", ".join(f"{name}: {text}" for name, text in texts if text is not None)
        return "{" + joined + "}" if depth else joined


def _told(value: Any) -> Iterator[tuple[str, Any]]:
    """Die Felder einer Dataclass, die etwas anderes enthalten als ihren Standardwert."""
    for field in fields(value):
        content = getattr(value, field.name, None)
        if field.default is MISSING or content != field.default:
            yield field.name, content


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    """Die Attribute eines Objekts, auch eines mit ``__slots__``, in der Reihenfolge, in der sie entstanden."""
    names = [name for cls in type(value).__mro__ for name in getattr(cls, "__slots__", ()) if name != "__dict__"]
    yield from ((name, getattr(value, name)) for name in names if hasattr(value, name))
    yield from getattr(value, "__dict__", {}).items()
