"""`python -m fuzz.seeding` writes fuzz/corpus/TARGET/NAME where it is not yet, as each target's seeds() make it."""

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
            if not (folder / seed).exists():  # keys and compressors make other bytes each time
                (folder / seed).write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
