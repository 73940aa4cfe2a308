"""`python -m fuzz.seeding` writes fuzz/corpus/TARGET/NAME: what each target's seeds() makes with our own encoders."""

from __future__ import annotations

import sys
from pathlib import Path

from fuzz.targets import names, target

CORPUS = Path(__file__).resolve().parent / "corpus"


def main() -> int:
    """Write every seed of every target."""
    for name in names():
        folder = CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for seed, data in target(name).seeds().items():
            (folder / seed).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
