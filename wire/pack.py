"""Rows packed for the bulk lane, where bytes cost more than the box's time: raw LZMA, both ways.

Over real drives it is 5 to 8 % smaller than deflate at its best, for 1.3 ms a parcel instead of 0.3 ms; bz2 and
deflate's other strategies are larger than deflate (docs/wire.md has the figures).
"""

import lzma

from wire.errors import PeerViolation

# Part of the contract (records.proto). Bytes of varints have no alignment (pb, lp 0) and little memory of the byte
# before (lc 1: 2 % smaller than 0, no larger than 2 to 4); a parcel is far below 64 KiB, and so is a unit's memory.
_FILTERS = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16, "lc": 1, "lp": 0, "pb": 0}]
# The packer's own affair: 0.02 % more bytes, in 1.4 MB of memory instead of 2.0 (16 kB are 40 kB of rows at most).
_PACKER = [{**_FILTERS[0], "mf": lzma.MF_BT2, "dict_size": 1 << 15}]

ROW_BYTES = 14  # envelope of a row as it is: tags, lengths, seq step, class, kind, check
# Rows are packed at most so many times smaller than as they are, else the unit sends them as they are: what a parcel
# costs the centre follows from its bytes. Tracks pack 1.5 to 4 times, events and verdicts of one kind 12 to 40.
MOST_RATIO = 64


def may_be_packed(packed_bytes: int, rows: int, bodies_bytes: int) -> bool:
    """Whether that many rows may go packed in so few bytes: what is beyond is no parcel of ours."""
    return rows * ROW_BYTES + bodies_bytes <= packed_bytes * MOST_RATIO


def pack_rows(rows_message: bytes) -> bytes:
    """A Rows message packed for Parcel.packed_rows; the caller sends plain rows when those are shorter."""
    return lzma.compress(rows_message, lzma.FORMAT_RAW, filters=_PACKER)


def unpack_rows(packed_rows: bytes, limit_bytes: int) -> bytes:
    """The Rows message again; PeerViolation when it is damaged or `limit_bytes` long or longer, whatever it claims."""
    unpacker = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_FILTERS)
    try:
        rows_message = unpacker.decompress(packed_rows, limit_bytes)
    except lzma.LZMAError as error:
        raise PeerViolation(f"packed rows: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise PeerViolation("packed rows: cut off, too long, or more behind them")
    return rows_message
