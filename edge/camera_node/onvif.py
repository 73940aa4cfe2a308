"""What a camera says of itself by ONVIF: who it is, its clock, its streams, its own alarms; and its reboot.

The only file, with discovery.py, that touches onveef, whose quirks for many makers' SOAP we do not want to write again
(docs/decisions/0017). What it lacks is a deadline for a whole call: a camera that drips a byte each four seconds would
hold it for ever. It is given a transport that has one.
"""

from __future__ import annotations

import contextlib
import logging
import time
import urllib.parse
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpcore
import httpx
from onveef import (
    OnvifAuthError,
    OnvifClient,
    OnvifError,
    OnvifTimeoutError,
    OnvifTransportError,
    envelopes,
    parsers,
)
from onveef.exceptions import OnvifServiceUnavailableError

from edge.camera_node.probing import Credentials, Failure, StreamFailed, secret_free

WITHIN_S: Final = 4.0  # one call, from connecting to the last byte
_FAREWELL_S: Final = 0.8  # a subscription that is not ended ends by itself; a stop waits for both
PULL_S: Final = 2  # how long a camera may hold a pull open; a stop waits for it
SHOWN: Final = 3  # times that a call shows a password which is refused
MOST_BYTES: Final = 1_000_000  # an answer; eight profiles with all their settings are 60 kB
LONGEST: Final = 64  # characters of each word of an identity: some stand in records and alarms
_SUBSCRIBED_FOR: Final = "PT60S"
_DATE: Final = ("year", "month", "day", "hour", "minute", "second")
# Topic endings and the data item that says whether it is so: ONVIF Imaging Service 23.06 §5.4, Analytics §A.1
ALARMS: Final[Mapping[str, str]] = {
    "ImageTooDark": "too_dark",
    "ImageTooBright": "too_bright",
    "ImageTooBlurry": "blurry",
    "GlobalSceneChange": "scene_change",
    "Tamper": "tamper",
    "TamperDetector": "tamper",
}


logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells every request: a line each two seconds and camera


class OnvifFailed(StreamFailed):
    """The camera's ONVIF service refused, did not answer, or does not have what was asked for."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a camera says it is; '' where it says nothing."""

    manufacturer: str
    model: str
    firmware: str
    serial_number: str


@dataclass(frozen=True, slots=True)
class Offered:
    """One of a camera's streams, best first as cameras list them; the URLs hold no password."""

    name: str
    codec: str
    width_px: int
    height_px: int
    frames_per_s: float | None
    stream_url: str
    snapshot_url: str | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """What the camera itself thinks of its picture: tamper, too_dark, too_bright, blurry or scene_change, on or off."""

    kind: str
    on: bool


class _UnknownLogin(OnvifAuthError):
    """Refused, and asked for a log-in that we do not know."""


class _Digest(httpx.DigestAuth):
    """A refusal that asks for what httpx cannot do (qop="auth-int", SHA-512-256, nonsense) stays a refusal."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        try:
            yield from super().auth_flow(request)
        except Exception:  # noqa: BLE001 - ValueError, KeyError, NotImplementedError … by what was asked for
            raise _UnknownLogin from None


class _Client(OnvifClient):
    """What onveef 0.6.0 does not do, or httpx 0.28 does not do for it."""

    def discover_services(self) -> dict[str, str]:
        """Also of a camera that says only the path of a service."""
        device_url = self.endpoint.device_xaddr
        return {name: urllib.parse.urljoin(device_url, url) for name, url in super().discover_services().items()}

    def _http_auth_for(self, challenge: str) -> httpx.Auth | None:
        auth = super()._http_auth_for(challenge)
        if not isinstance(auth, httpx.DigestAuth):
            return auth
        return _Digest(self.credentials.username, self.credentials.password)

    # Its own gives httpx a pair of time-outs that httpx refuses (an AssertionError at each pull).
    def events_pull_messages(
        self, *, subscription_url: str, timeout: str = "PT5S", message_limit: int = 20
    ) -> dict[str, Any]:
        answer = self._post_subscription(
            subscription_url=subscription_url,
            body=envelopes.events_pull_messages(timeout=timeout, message_limit=message_limit),
            wsa_action="http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest",
            operation="PullMessages",
        )
        return parsers.parse_pull_messages(answer)


class OnvifCamera:
    """One camera's services; every call ends within `within_s`, or raises OnvifFailed. One thread uses it.

    A call whose password is refused may have shown it to the camera up to SHOWN times (plain HTTP, HTTP digest, and
    again with the camera's own clock): ask `Tries` before, tell it after.
    """

    def __init__(
        self, host: str, port: int = 80, credentials: Credentials | None = None, *, within_s: float = WITHIN_S
    ) -> None:
        self._within_s = within_s
        self._transport = _Deadlined()
        self._client = _Client(
            host,
            port,
            credentials.user if credentials else "",
            credentials.password if credentials else "",
            timeout_s=within_s,
            retries=0,
            max_response_bytes=MOST_BYTES,
            transport=self._transport,
        )
        self._pulling: Any = None

    def close(self) -> None:
        """End the subscription if there is one; never raises."""
        if self._pulling is not None:
            with contextlib.suppress(OnvifFailed), self._asked(_FAREWELL_S):
                self._pulling.unsubscribe()
            self._pulling = None
        self._client.close()

    def identity(self) -> Identity:
        """Manufacturer, model, firmware and serial number."""
        with self._asked():
            told = self._client.get_device_information()
        names = ("manufacturer", "model", "firmware", "serial")
        found = {name: _found(told, name) for name in names}
        return Identity(*(found[name] for name in names))

    def skew_s(self, now_utc: datetime) -> float | None:
        """Seconds by which the camera's clock is ahead of ours; None when it does not say."""
        with self._asked():
            told = self._client.get_system_date_time()
        utc = told.get("UTCDateTime")
        if not isinstance(utc, Mapping):
            return None
        try:
            year, month, day, hour, minute, second = (int(utc[part]) for part in _DATE)
            theirs = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except (KeyError, OverflowError, TypeError, ValueError):
            return None
        return (theirs - now_utc) / timedelta(seconds=1)

    def streams(self) -> list[Offered]:
        """What it offers; a profile without a stream is left out."""
        with self._asked():
            profiles = self._client.get_profiles()
        return [offered for profile in profiles if (offered := self._offered(profile))]

    def reboot(self) -> None:
        """Restart the camera; it is gone for one to two minutes."""
        with self._asked():
            self._client.system_reboot()

    def alarms(self) -> list[Alarm]:
        """What changed since the last call, waiting up to PULL_S for it; subscribes when needed."""
        with self._asked():
            if self._pulling is None:
                self._pulling = self._client.pull_point(
                    termination_time=_SUBSCRIBED_FOR, timeout=f"PT{PULL_S}S", message_limit=50
                )
            return list(alarms(self._pulling.pull()))

    def _offered(self, profile: Mapping[str, Any]) -> Offered | None:
        token = str(profile.get("token") or "")
        try:
            with self._asked():
                stream_url = secret_free(self._client.get_stream_uri(profile_token=token))
        except OnvifFailed as failed:
            if failed.failure is Failure.AUTHENTICATION:
                raise
            return None
        snapshot_url: str | None = None
        with contextlib.suppress(OnvifFailed), self._asked():  # optional in every profile of ONVIF
            snapshot_url = secret_free(str(self._client.get_snapshot_uri(profile_token=token))) or None
        encoder = profile.get("video_encoder") or {}
        return Offered(
            name=str(profile.get("name") or token),
            codec=str(encoder.get("encoding") or ""),
            width_px=_whole(encoder.get("width")),
            height_px=_whole(encoder.get("height")),
            frames_per_s=_whole(encoder.get("fps_limit")) or None,
            stream_url=stream_url,
            snapshot_url=snapshot_url,
        )

    @contextlib.contextmanager
    def _asked(self, within_s: float | None = None) -> Iterator[None]:
        """One call: its deadline begins, and what goes wrong gets its name."""
        self._transport.until_s = time.monotonic() + (within_s or self._within_s)
        try:
            yield
        except _UnknownLogin:
            raise OnvifFailed(Failure.AUTHENTICATION, "a log-in of an unknown kind is asked for (ONVIF)") from None
        except OnvifAuthError:
            raise OnvifFailed(Failure.AUTHENTICATION, "user or password refused (ONVIF)") from None
        except (OnvifTimeoutError, OnvifTransportError, OnvifServiceUnavailableError) as error:
            raise OnvifFailed(Failure.PORT, f"the ONVIF service does not answer ({type(error).__name__})") from None
        except OnvifError as error:
            raise OnvifFailed(Failure.PATH, f"the camera does not do this by ONVIF ({error.code})") from None
        except Exception as error:  # noqa: BLE001 - whatever else a camera brings the libraries to
            raise OnvifFailed(Failure.PATH, f"its ONVIF answer cannot be read ({type(error).__name__})") from None


def alarms(messages: Iterable[Mapping[str, Any]]) -> Iterator[Alarm]:
    """The alarms among notification messages as onveef gives them; other topics (motion, relays …) are passed over."""
    for message in messages:
        steps = [step.rpartition(":")[2] for step in str(message.get("topic") or "").split("/")]
        kind = next((ALARMS[step] for step in reversed(steps) if step in ALARMS), None)
        data = message.get("data")
        if kind is None or not isinstance(data, Mapping):
            continue
        values = {str(value).strip().lower() for value in data.values()}
        if values & {"true", "1", "false", "0"}:
            yield Alarm(kind, on=bool(values & {"true", "1"}))


def _found(told: Mapping[str, Any], name: str) -> str:
    return next((str(value or "")[:LONGEST] for key, value in told.items() if key.lower().startswith(name)), "")


def _whole(value: object) -> int:
    try:
        return int(float(str(value)))
    except (OverflowError, ValueError):
        return 0


class _Deadlined(httpx.BaseTransport):
    """HTTP whose calls end at `until_s`, however slowly the far end drips."""

    def __init__(self) -> None:
        self.until_s = 0.0  # monotonic
        self._pool = httpcore.ConnectionPool(network_backend=_Backend(self), max_connections=2, keepalive_expiry=10.0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = httpcore.URL(
            scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port, target=request.url.raw_path
        )
        try:
            request.headers["Accept-Encoding"] = "identity"  # what is packed may be a thousand times as large
            answer = self._pool.handle_request(
                httpcore.Request(
                    request.method,
                    url,
                    headers=request.headers.raw,
                    content=request.read(),
                    extensions=request.extensions,
                )
            )
            try:
                body = _body(answer, request)
            finally:
                answer.close()
        except httpcore.TimeoutException as error:
            raise httpx.ReadTimeout(str(error), request=request) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol) as error:
            raise httpx.ReadError(str(error), request=request) from error
        return httpx.Response(answer.status, headers=answer.headers, content=body)

    def close(self) -> None:
        self._pool.close()


def _body(answer: httpcore.Response, request: httpx.Request) -> bytes:
    if any(name.lower() == b"content-encoding" and value.lower() != b"identity" for name, value in answer.headers):
        raise httpx.DecodingError("the answer is packed, though that was not asked for", request=request)
    body = bytearray()
    for part in answer.iter_stream():
        body += part
        if len(body) > MOST_BYTES:
            raise httpx.ReadError("the answer does not end", request=request)
    return bytes(body)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: _Deadlined) -> None:
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        left_s = _left_s(self._deadline, timeout)
        return _Wire(self._plain.connect_tcp(host, port, left_s, local_address, socket_options), self._deadline)


class _Wire(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, deadline: _Deadlined) -> None:
        self._stream, self._deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left_s(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left_s(self._deadline, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left_s = _left_s(self._deadline, timeout)
        return _Wire(self._stream.start_tls(ssl_context, server_hostname, left_s), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left_s(deadline: _Deadlined, timeout: float | None) -> float:
    left_s = deadline.until_s - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("the whole call took too long")
    return left_s if timeout is None else min(left_s, timeout)
