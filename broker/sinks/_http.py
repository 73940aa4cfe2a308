"""One connection over HTTP or HTTPS, kept between posts; what an answer means is decided here for every sink."""

from __future__ import annotations

import base64
import http.client
import ssl
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from broker.clean import Message
from broker.sinks import NotNow, Refused

# Of the 4xx only these speak of what was sent (RFC 9110, 15.5); the others of who asks, where and when: 401, 403, 404,
# 408, 425, 429 come to an end once somebody has mended something, and until then nothing may be lost.
REFUSALS: Final = frozenset({400, 409, 410, 413, 415, 422})
_ANSWER_LIMIT_BYTES: Final = 65_536

Pair = tuple[Path | None, Path | None]


class Poster:
    """Posts JSON to one URL."""

    def __init__(
        self,
        url: str,
        *,
        ca_path: Path | None,
        timeout_s: float,
        pair: Pair = (None, None),
        login: tuple[str, str | None] | None = None,
    ) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            tls = ssl.create_default_context(cafile=str(ca_path) if ca_path else None)
            if pair[0] is not None:
                tls.load_cert_chain(str(pair[0]), str(pair[1]) if pair[1] else None)
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout_s, context=tls
            )
        else:
            self._http = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/json", "User-Agent": "pantau"}
        if login is not None:
            basic = base64.b64encode(f"{login[0]}:{login[1] or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {basic}"

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Returns after any 2xx. Raises Refused when these bytes will never be taken, NotNow for all else."""
        try:
            self._http.request("POST", self._path, body, {**self._headers, **(headers or {})})
            answer = self._http.getresponse()
            said = answer.read(_ANSWER_LIMIT_BYTES).decode("utf-8", "replace")
            if not answer.isclosed():  # it says more than anybody asked for
                self._http.close()
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise NotNow(str(error) or type(error).__name__) from error
        if 200 <= answer.status < 300:
            return
        why = f"{answer.status} {' '.join(said.split())[:200]}".strip()
        if answer.status in REFUSALS:
            raise Refused(why)
        raise NotNow(why, _after_s(answer.getheader("Retry-After")))

    def send(self, messages: Sequence[Message]) -> None:
        """One post a message, in order."""
        for message in messages:
            self.post(message.payload)

    def close(self) -> None:
        self._http.close()


def _after_s(text: str | None) -> float | None:
    """Retry-After: seconds or a date (RFC 9110, 10.2.3); None when it is neither."""
    if text is None:
        return None
    if text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except ValueError:
        return None
