"""A folder for the files that a target's parser wants to read; in memory where TMPDIR is."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="pantau-fuzz-")  # kept by the cache: it goes with the process


def scratch(name: str) -> Path:
    """An empty folder of that name, whatever was in it before."""
    folder = Path(_folder().name) / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
