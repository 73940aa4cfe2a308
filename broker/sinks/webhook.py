"""Webhook: batches of clean messages by HTTP POST, signed, to be told apart by log_id."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from broker import sinks
from broker.sinks import Item, Sink
from broker.sinks._http import Poster
from settings import ConfigError, Problem, setting


def _url(url: str) -> str | None:
    parts = urlsplit(url)
    good = parts.scheme in ("https", "http") and parts.hostname and not parts.username and not parts.fragment
    if good and parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
        return "https: plain http is for this machine only"
    return None if good else "https://HOST[:PORT]/PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(sinks.Options):
    """Where a webhook posts to."""

    url: str = setting("where it posts to", check=_url)
    secret_path: Path = setting("file with the secret that signs each body; only its user may read it")
    ca_path: Path | None = setting(
        "authority of the consumer's certificate, PEM", default=None, reason="none: those the system knows"
    )


def open_sink(options: Options) -> Sink:
    """The webhook; raises ConfigError when there is no secret."""
    try:
        secret = options.secret_path.read_bytes().strip()
        poster = Poster(options.url, ca_path=options.ca_path, timeout_s=options.timeout_s)
    except OSError as error:
        raise ConfigError(f"sink {options.name}: {error}") from error
    if len(secret) < 16:
        wanted = "16 bytes or more, such as `openssl rand -hex 32` writes"
        problem = Problem(key="secret_path", value=f"{len(secret)} bytes", wanted=wanted)
        raise ConfigError(f"sink {options.name}", [problem])
    return Webhook(poster, secret)


class Webhook:
    """One URL. Each post is `{"records": [{"topic": ..., "message": ...}, ...]}`, and any 2xx takes all of it."""

    def __init__(self, poster: Poster, secret: bytes, utc_s: Callable[[], float] = time.time) -> None:
        self._poster = poster
        self._secret = secret
        self._utc_s = utc_s

    def deliver(self, items: Sequence[Item]) -> None:
        """One post; each message has its log_id, by which a consumer knows what it has."""
        rows = (b'{"topic":"%b","message":%b}' % (i.message.topic.encode(), i.message.payload) for i in items)
        body = b'{"records":[' + b",".join(rows) + b"]}"
        at = str(int(self._utc_s()))
        headers = {
            "Idempotency-Key": f"{items[0].entry.log_id}-{items[-1].entry.log_id}",
            "Pantau-Signature": f"t={at},v1={signature(self._secret, at, body)}",
        }
        self._poster.post(body, headers)

    def close(self) -> None:
        self._poster.close()


def signature(secret: bytes, at: str, body: bytes) -> str:
    """HMAC-SHA256 in hex over `at`, a dot and the body: an old post cannot be played again with a new time."""
    return hmac.new(secret, at.encode() + b"." + body, sha256).hexdigest()
