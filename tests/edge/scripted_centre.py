"""A centre with a script: stores parcels in memory, answers as told; through the real encoders and decoders."""

from __future__ import annotations

from functools import reduce
from operator import xor

from wire.decode import Row, decode_parcel, encode_receipt
from wire.ranges import Ranges


class ScriptedCentre:
    """answer() is what a healthy bridge does; stay_silent(), refuse(), wrong_check() and new_outbox() are not."""

    def __init__(self, *, utc_ms: int = 1_795_000_000_000) -> None:
        self.stored: dict[tuple[int, int], bytes] = {}
        self.received_rows = 0
        self.payloads: list[bytes] = []
        self.number_ms: int | None = 0
        self.utc_ms = utc_ms
        self._mode = "answer"
        self._refused: set[int] = set()

    # ------------------------------------------------------------------ verbs

    def answer(self) -> None:
        """Store and give receipts."""
        self._mode = "answer"

    def stay_silent(self) -> None:
        """Take parcels, store nothing, say nothing."""
        self._mode = "silent"

    def wrong_check(self) -> None:
        """Store other bytes than came: what a cloned card's twin has sent before."""
        self._mode = "wrong"

    def new_outbox(self) -> None:
        """Store, and say that other bytes were there under these keys."""
        self._mode = "new_outbox"

    def refuse(self, *seqs: int) -> None:
        """Take everything but these rows."""
        self._refused = set(seqs)

    # ------------------------------------------------------------------ the bridge's work

    def take(self, payload: bytes) -> bytes | None:
        """A parcel came; the receipt that goes down, if any."""
        self.payloads.append(payload)
        if self._mode == "silent":
            return None
        parcel = decode_parcel(payload)
        self.received_rows += len(parcel.rows)
        rows = [row for row in parcel.rows if row.seq not in self._refused]
        for row in rows:
            self.stored[parcel.outbox_id, row.seq] = row.body
        refused = [row.seq for row in parcel.rows if row.seq in self._refused]
        asked = parcel.waiting_bytes > 0
        return self.receipt(parcel.outbox_id, rows, refused=refused, number_ms=self.number_ms if asked else None)

    def receipt(self, outbox_id: int, rows: list[Row], *, refused: list[int], number_ms: int | None) -> bytes:
        ranges = Ranges([(row.seq, row.seq) for row in rows])
        wrong = 1 if self._mode == "wrong" else 0
        checks = [reduce(xor, (row.check for row in rows if first <= row.seq <= last), wrong) for first, last in ranges]
        return encode_receipt(
            outbox_id,
            ranges,
            checks,
            utc_ms=self.utc_ms,
            store_id=7,
            bulk_after_ms=number_ms,
            new_outbox=self._mode == "new_outbox",
            refused=refused,
        )
