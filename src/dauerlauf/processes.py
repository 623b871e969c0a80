"""Kindprozesse, die ihren Elternprozess nicht überleben."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO

_PR_SET_PDEATHSIG = 1

# Ein eigener kleiner Interpreter statt `preexec_fn`: zwischen fork und exec darf in einem Prozess mit
# Tokio-Threads kein Python-Code laufen.
_LAUNCHER = (
    "import ctypes,os,sys;"
    f"ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG},{int(signal.SIGKILL) if os.name == 'posix' else 9});"
    "os.getppid()==int(sys.argv[1]) or os._exit(1);"
    "os.execv(sys.argv[2],sys.argv[2:])"
)


def die_with_parent() -> None:
    """Bittet den Linux-Kern, diesen Prozess mit SIGKILL zu beenden, sobald sein Elternprozess endet.

    Auf anderen Systemen geschieht nichts. Quelle: `PR_SET_PDEATHSIG` in
    https://man7.org/linux/man-pages/man2/prctl.2.html; maßgeblich ist der Thread, der den Prozess gestartet hat.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start_child(command: Sequence[str], *, output: IO[bytes]) -> subprocess.Popen[bytes]:
    """Startet `command` als Kindprozess in eigener Sitzung; `output` nimmt stdout und stderr auf.

    Die eigene Sitzung hält Strg-C vom Kind fern: erst räumt der Elternprozess auf, dann endet das Kind. Auf Linux
    endet es auch dann, wenn der Elternprozess mit SIGKILL stirbt. Wirft `OSError`, wenn sich das Programm nicht
    starten lässt.
    """
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
