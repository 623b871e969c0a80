"""Der Testlauf eines Mutanten prüft seine Kopie des Kapitels und nichts anderes."""

import os
from pathlib import Path

import kapitel07

# Der Testlauf eines Mutanten meint eine Kopie des Kapitels; ohne diese Probe liefe er unbemerkt gegen das Original.
if (copy := os.environ.get("KAPITEL07_ORDNER")) and not Path(kapitel07.__file__).is_relative_to(copy):
    raise RuntimeError(f"Geladen ist {kapitel07.__file__}, erwartet war die Kopie in {copy}.")
