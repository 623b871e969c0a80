"""Notebooks ausführen: alle in einem Prozess, für die Tests und für das Buch.

Gespeichert sind Notebooks ohne Ausgaben. `execute` führt sie aus, `render` legt sie als Markdown ab, das die
Direktive `::: notebook` in die Seite einsetzt.
"""

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dauerlauf.check import project_root
from dauerlauf.errors import DauerlaufError
from dauerlauf.together import together

if TYPE_CHECKING:
    from nbformat import NotebookNode

CACHE = Path(".notebooks")
CELL_TIMEOUT = 120
PARALLEL = 2


def stored(root: Path) -> list[Path]:
    """Alle Notebooks des Projekts `root`, nach Namen geordnet."""
    return sorted((root / "notebooks").glob("*.ipynb"))


async def execute(files: Sequence[Path]) -> "list[NotebookNode]":
    """Führt Notebooks von oben nach unten aus und gibt sie mit ihren Ausgaben zurück.

    Jedes bekommt einen frischen Kernel und einen leeren Ordner, der danach gelöscht wird; zwei laufen gleichzeitig.
    Wirft `DauerlaufError`, wenn eine Zelle scheitert oder länger als 120 s braucht oder die Werkzeuge fehlen.
    """
    try:
        import nbclient
        import nbformat
        from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
    except ImportError as error:
        raise DauerlaufError(
            "Die Werkzeuge der Notebooks fehlen; `uv run --group notebooks dauerlauf notebooks` holt sie."
        ) from error

    gate = asyncio.Semaphore(PARALLEL)

    async def one(file: Path) -> "NotebookNode":
        notebook: NotebookNode = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call]
        async with gate:
            with tempfile.TemporaryDirectory(prefix="dauerlauf-", ignore_cleanup_errors=True) as folder:
                client = nbclient.NotebookClient(
                    notebook,
                    timeout=CELL_TIMEOUT,
                    resources={"metadata": {"path": folder}},
                    extra_arguments=["--IPKernelApp.log_level=ERROR"],
                )
                try:
                    await client.async_execute()
                except CellExecutionError as error:
                    raise DauerlaufError(
                        f"Das Notebook „{file.stem}“ bricht ab: {error.ename}: {error.evalue}"
                    ) from error
                except (CellTimeoutError, DeadKernelError) as error:
                    raise DauerlaufError(f"Das Notebook „{file.stem}“ bricht ab: {error}") from error
        return notebook

    return await together(*map(one, files))


def render(names: Sequence[str] = ()) -> list[Path]:
    """Führt die genannten Notebooks (sonst alle) aus und legt sie als Markdown unter `.notebooks/` ab.

    Gibt die geschriebenen Dateien zurück. Wirft `DauerlaufError` bei unbekanntem Namen und wie `execute`.
    """
    root = project_root(Path.cwd())
    known = {file.stem: file for file in stored(root)}
    for name in names:
        if name not in known:
            raise DauerlaufError(f"Das Notebook „{name}“ gibt es nicht; es gibt: {', '.join(known) or 'keines'}.")
    chosen = list(names) or list(known)
    notebooks = asyncio.run(execute([known[name] for name in chosen]))
    # Erst hier: Ohne die Gruppe `notebooks` meldet `execute` schon verständlich, was fehlt.
    from nbconvert import MarkdownExporter

    exporter = MarkdownExporter()  # type: ignore[no-untyped-call]
    folder = root / CACHE
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, notebook in zip(chosen, notebooks, strict=True):
        _keep_each_once(notebook)
        text, _ = exporter.from_notebook_node(notebook)
        file = folder / f"{name}.md"
        file.write_text(text, encoding="utf-8")
        written.append(file)
    return written


def _keep_each_once(notebook: "NotebookNode") -> None:
    """Lässt gleiche Stylesheets und Skripte ab dem zweiten weg: Jede Ausgabe bringt ihre mit, der Seite genügt eins."""
    seen: set[str] = set()

    def first_only(found: re.Match[str]) -> str:
        block = found.group()
        if block in seen:
            return ""
        seen.add(block)
        return block

    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                data["text/html"] = re.sub(r"<(style|script)>.*?</\1>", first_only, data["text/html"], flags=re.DOTALL)
