"""Bytes from a receiver to checked NMEA 0183 sentences. Pure: no I/O, never raises."""

from collections import Counter
from functools import reduce
from operator import xor
from re import Match
from re import compile as pattern
from typing import NamedTuple

# NMEA 0183 allows 82 characters; receivers send more: $PUBX,03 422 (corpus: pynmeagps_nmea4), with all of its
# satellites about 900. Also the bound of the framer's memory.
LONGEST_SENTENCE = 1024

# What may stand between `$` and `*`: printable ASCII but the three marks `$ ! *` (NMEA 0183 v4.11 §5.1 reserves them;
# `!` starts an AIS sentence). The next `$` therefore always starts anew, however much of the last one was lost.
_BODY = pattern(rb"[\x20\x22\x23\x25-\x29\x2b-\x7e]*")
_WHOLE = pattern(rb"\$([\x20\x22\x23\x25-\x29\x2b-\x7e]*)\*([0-9A-Fa-f]{2})")
_ADDRESS = pattern(rb"[A-Z]{2}[A-Z0-9]{1,8},")  # GPGGA, PUBX, PMTK001, and GGPGSV of a line that doubles bytes
_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")


class Sentence(NamedTuple):
    """A sentence whose checksum held. `talker` is empty and `kind` the whole address for a maker's own sentence."""

    talker: str
    kind: str
    text: str  # from `$` to the last digit of the checksum


class Framer:
    """Cuts a byte stream into checked sentences, whatever else is in it: UBX, RTCM, SiRF binary, banners, prefixes.

    How the bytes are cut into chunks makes no difference. What is not a sentence is skipped; what began as one
    and failed is counted in `rejected`: bad_checksum, no_checksum, cut_short, too_long.
    """

    def __init__(self) -> None:
        self.rejected: Counter[str] = Counter()
        self._held = b""  # from the last `$` whose sentence is not complete yet; at most LONGEST_SENTENCE bytes

    def feed(self, chunk: bytes) -> list[Sentence]:
        """Return the sentences that are complete now, in order."""
        stream = self._held + chunk
        sentences: list[Sentence] = []
        start = stream.find(b"$")
        while start >= 0:
            end = self._sentence(stream, start, sentences)
            if end is None:
                break
            start = stream.find(b"$", end)
        self._held = stream[start:] if start >= 0 else b""
        return sentences

    def _sentence(self, stream: bytes, start: int, found: list[Sentence]) -> int | None:
        """Judge the sentence that starts at `start`; return where to go on looking, None when bytes are missing."""
        limit = start + LONGEST_SENTENCE
        whole = _WHOLE.match(stream, start, limit + 2)
        if whole:
            if reduce(xor, whole[1], 0) != int(whole[2], 16):
                return self._reject("bad_checksum", stream, start, whole.end())
            found.append(_as_sentence(whole))
            return whole.end()
        match = _BODY.match(stream, start + 1, limit)
        end = match.end() if match else start + 1
        if end == limit:
            return self._reject("too_long", stream, start, end)
        if end == len(stream):
            return None
        if stream[end] != ord("*"):
            return self._reject("no_checksum" if stream[end] in b"\r\n" else "cut_short", stream, start, end)
        if len(stream) < end + 3 and all(digit in _HEX_DIGITS for digit in stream[end + 1 :]):
            return None
        return self._reject("no_checksum", stream, start, end + 1)

    def _reject(self, reason: str, stream: bytes, start: int, end: int) -> int:
        # A `$` inside binary is no sentence that failed: only what has an address is counted.
        if _ADDRESS.match(stream, start + 1):
            self.rejected[reason] += 1
        return end


def _as_sentence(whole: Match[bytes]) -> Sentence:
    text = whole[0].decode("ascii")
    address = text[1:-3].partition(",")[0]
    if len(address) == 5 and address[0] != "P":
        return Sentence(address[:2], address[2:], text)
    return Sentence("", address, text)
