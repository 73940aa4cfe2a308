"""A process of a city that leaks: `leaky.py memory|descriptors|nothing`, 1 MB or one descriptor each second."""

import os
import sys
import time

kept: list[object] = []
while True:
    time.sleep(0.2)
    if sys.argv[1] == "memory":
        kept.append(b"x" * 200_000)
    elif sys.argv[1] == "descriptors" and len(kept) < 500:
        kept.append(os.open("/dev/null", os.O_RDONLY))
