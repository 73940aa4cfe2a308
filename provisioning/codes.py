"""One-time codes: the right to one certificate, as something a technician can read out over the telephone. Pure.

Twelve letters of 32 that cannot be mistaken for each other: 60 bits. A code lives days, so a
salted SHA-256 keeps it as well as a slow hash would; nobody tries 2^59 of them before it has expired.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final

LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0 O 1 I
GROUP: Final = 4
GROUPS: Final = 3
LASTS_MS: Final = 7 * 86_400_000  # a box is mounted within the week its code was printed


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code as the registry keeps it: for whom, its salted hash (hex), until when; which key has used it (hex)."""

    name: str
    role: str
    agencies: tuple[str, ...]
    hosts: tuple[str, ...]
    salt: str
    digest: str
    expires_utc_ms: int
    used_by_key: str = ""


def draw() -> str:
    """A fresh code, `ABCD-EFGH-JKLM`."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


def plain(typed: str) -> str:
    """A code as it was typed or scanned, without what does not count: case, spaces, dashes."""
    return "".join(letter for letter in typed.upper() if letter in LETTERS)


def digest(code: str, salt: str) -> str:
    """The salted hash, hex."""
    return hashlib.sha256(f"{salt}:{plain(code)}".encode()).hexdigest()


def holds(kept: Code, typed: str) -> bool:
    """Whether that is the code; takes as long for a wrong one as for the right one."""
    return hmac.compare_digest(digest(typed, kept.salt), kept.digest)
