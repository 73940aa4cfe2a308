"""A process that fills an outbox until it is killed; run with: PATH SEED POINT COUNTDOWN LIMIT_BYTES.

Says on stdout what a centre and a parent may know: `a OUTBOX SEQ BODY` after append has returned, `r OUTBOX SEQ`
before the receipt is handed in (the store has committed it by then). Kills itself at the COUNTDOWN-th pass of POINT.
"""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

from edge.outbox import Outbox, OutboxReader
from edge.tombstones import read_tombstone
from wire.kinds import CLASS_ALARM, CLASS_STATUS, CLASS_TRACK, KIND_TOMBSTONE, KIND_TRACK
from wire.ranges import Ranges


def main(path: Path, seed: int, point: str, countdown: int, limit_bytes: int) -> None:
    left = countdown

    def at(reached: str) -> None:
        nonlocal left
        if reached == point:
            left -= 1
            if left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    some = random.Random(seed)
    outbox = Outbox(path, limit_bytes=limit_bytes, at=at)
    reader = OutboxReader(path)
    for n in range(4_000):
        body = some.randbytes(some.choice((40, 110, 110, 300)))
        cls = some.choice((CLASS_TRACK,) * 8 + (CLASS_ALARM, CLASS_STATUS))
        row_id = outbox.append(body, kind=KIND_TRACK, cls=cls, interval=n)
        outbox_id, seq = reader.outboxes().of(row_id)
        say("a", outbox_id, seq, body.hex())
        if n % 25 == 24:
            receipt(outbox, reader, some)
        if n % 60 == 59:
            outbox.settle()


def receipt(outbox: Outbox, reader: OutboxReader, some: random.Random) -> None:
    newest = reader.newest_id()
    first = max(1, newest - some.randrange(60))
    ids = Ranges([(first, min(newest, first + some.randrange(20)))])
    for row in reader.rows_of(ids):
        say("r", row.outbox_id, row.seq)
        if row.kind == KIND_TOMBSTONE:
            for (outbox_id, _), seqs in read_tombstone(row.body).items():
                for seq in seqs.seqs():
                    say("r", outbox_id, seq)
    outbox.receipted(ids)


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
