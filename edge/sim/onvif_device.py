"""A camera's ONVIF side: SOAP over HTTP with WS-Security digest, events by pull-point, a reboot that takes its time.

Only what a camera node asks for, as the specifications say it (ONVIF Core 23.06, WS-BaseNotification 1.3); more
forgiving than some makers, stricter than others: user and password are asked for in everything but the date.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self
from xml.etree import ElementTree

MULTICAST: Final = ("239.255.255.250", 3702)  # WS-Discovery 1.1
FRESH_S: Final = 300.0  # how far a token's Created may be from the camera's clock
OPEN: Final = frozenset({"GetSystemDateAndTime"})
TOPICS: Final = {
    "too_dark": "tns1:VideoSource/ImageTooDark/ImagingService",
    "too_bright": "tns1:VideoSource/ImageTooBright/ImagingService",
    "blurry": "tns1:VideoSource/ImageTooBlurry/ImagingService",
    "scene_change": "tns1:VideoSource/GlobalSceneChange/ImagingService",
    "tamper": "tns1:RuleEngine/TamperDetector/Tamper",
    "motion": "tns1:VideoSource/MotionAlarm",
}
_CLOCK: Final = {"Hour": "%H", "Minute": "%M", "Second": "%S"}
_NAMESPACES: Final = " ".join(
    f'xmlns:{short}="{long}"'
    for short, long in {
        "s": "http://www.w3.org/2003/05/soap-envelope",
        "tds": "http://www.onvif.org/ver10/device/wsdl",
        "trt": "http://www.onvif.org/ver10/media/wsdl",
        "tev": "http://www.onvif.org/ver10/events/wsdl",
        "tt": "http://www.onvif.org/ver10/schema",
        "tns1": "http://www.onvif.org/ver10/topics",
        "wsnt": "http://docs.oasis-open.org/wsn/b-2",
        "wsa5": "http://www.w3.org/2005/08/addressing",
        "ter": "http://www.onvif.org/ver10/error",
        "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
        "wsa": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
        "dn": "http://www.onvif.org/ver10/network/wsdl",
    }.items()
)


class OnvifDevice:
    """`with OnvifDevice(...) as device:` answers at `device.port`. Verbs may be called from any thread.

    `rebooted` is called in a thread of its own when a client asks for SystemReboot. Counts: `refused` log-ins,
    `reboots`, `subscriptions`.
    """

    def __init__(
        self,
        stream_url: str,
        user: str,
        password: str,
        *,
        address: str = "127.0.0.1",
        serial_number: str = "SIM0001",
        events: bool = True,
        rebooted: Callable[[], None] = lambda: None,
    ) -> None:
        self.serial_number = serial_number
        self.skew_s = 0.0  # its clock ahead of the true one
        self.hurried = False  # answers a pull at once, whether there is something to say or not
        self.packed = b""  # when not empty, what every answer is, as gzip
        self.challenge = ""  # when not empty, how HTTP itself (401) refuses every call
        self.refused = self.reboots = self.subscriptions = 0
        self.asked: list[str] = []
        self._stream_url, self._user, self._password = stream_url, user, password
        self._events, self._rebooted = events, rebooted
        self._dripping = False
        self._garbled = ("$^", "")
        self._changed = threading.Condition()
        self._queued: list[tuple[str, bool]] = []
        self._stands: dict[str, bool] = {}
        self._nonces: set[str] = set()
        device = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                device._serve(self, body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, 0), Answers)
        self._server.daemon_threads = False
        self.address: Final = address
        self.port: Final = self._server.server_address[1]
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.05,), name="onvif-device")]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        with self._changed:
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def alarm(self, kind: str, on: bool = True) -> None:
        """The camera's own analytics say so (see TOPICS)."""
        with self._changed:
            self._stands[kind] = on
            self._queued.append((kind, on))
            self._changed.notify_all()

    def change_password(self, password: str) -> None:
        self._password = password

    def drip(self) -> None:
        """From now on each answer comes a header byte each half second, and never ends."""
        self._dripping = True

    def garble(self, pattern: str, instead: str) -> None:
        """From now on each answer says something else where the pattern matches."""
        self._garbled = (pattern, instead)

    def answer_discovery(self) -> None:
        """Join WS-Discovery on its own network; raises OSError where there is no multicast."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", MULTICAST[1]))
        joined = socket.inet_aton(MULTICAST[0]) + socket.inet_aton(self.address)
        listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
        listener.settimeout(0.1)
        self._threads.append(threading.Thread(target=self._discovered, args=(listener,), name="onvif-discovery"))
        self._threads[-1].start()

    @property
    def _url(self) -> str:
        return f"http://{self.address}:{self.port}/onvif"

    def _serve(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        if self._dripping:
            self._drip(request)
            return
        request.close_connection |= self._ended.is_set()  # or who keeps asking keeps it alive
        status, inner = (401, "") if self.challenge else self._answered(body)
        inner = re.sub(*self._garbled, inner)
        answer = f'<?xml version="1.0"?><s:Envelope {_NAMESPACES}><s:Body>{inner}</s:Body></s:Envelope>'.encode()
        answer = self.packed or answer
        request.send_response(status)
        if self.packed:
            request.send_header("Content-Encoding", "gzip")
        if self.challenge:
            request.send_header("WWW-Authenticate", self.challenge)
        request.send_header("Content-Type", "application/soap+xml; charset=utf-8")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def _drip(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        try:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not self._ended.wait(0.5):
                request.wfile.write(b"x")
        except OSError:
            return  # the client has had enough

    def _answered(self, body: bytes) -> tuple[int, str]:
        envelope = ElementTree.fromstring(body)
        asked = next(iter(_local(envelope, "Body")[0]))
        verb = asked.tag.rpartition("}")[2]
        self.asked.append(verb)
        if verb not in OPEN and not self._let_in(envelope):
            self.refused += 1
            return 400, _fault("ter:NotAuthorized", "Sender not Authorized")
        answer = getattr(self, f"_do_{verb}", None)
        if answer is None:
            return 500, _fault("ter:ActionNotSupported", f"{verb} is not supported")
        return 200, answer(asked)

    def _let_in(self, envelope: ElementTree.Element) -> bool:
        """WS-Security UsernameToken Profile 1.0: Base64(SHA-1(nonce + created + password)), each nonce once.

        A device without a user asks for none.
        """
        tokens = _local(envelope, "UsernameToken")
        if not tokens:
            return not self._user
        user, digest, nonce, created = (_text(tokens[0], name) for name in ("Username", "Password", "Nonce", "Created"))
        raw = base64.b64decode(nonce) + created.encode() + self._password.encode()
        expected = base64.b64encode(hashlib.sha1(raw).digest()).decode()
        age_s = abs((self._now() - datetime.fromisoformat(created.replace("Z", "+00:00"))).total_seconds())
        if user != self._user or not hmac.compare_digest(digest, expected) or age_s > FRESH_S or nonce in self._nonces:
            return False
        self._nonces.add(nonce)
        return True

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.skew_s)

    def _do_GetSystemDateAndTime(self, _: ElementTree.Element) -> str:  # noqa: N802 - the operations' own names
        now = self._now()
        time_of_day = (
            f"<tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second>"
        )
        date = f"<tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day>"
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            f"<tt:UTCDateTime><tt:Time>{time_of_day}</tt:Time><tt:Date>{date}</tt:Date></tt:UTCDateTime>"
            "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _do_GetDeviceInformation(self, _: ElementTree.Element) -> str:  # noqa: N802
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>pantau</tds:Manufacturer><tds:Model>SimCamera</tds:Model>"
            f"<tds:FirmwareVersion>1.0</tds:FirmwareVersion><tds:SerialNumber>{self.serial_number}</tds:SerialNumber>"
            "<tds:HardwareId>sim</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _do_GetServices(self, _: ElementTree.Element) -> str:  # noqa: N802
        services = {"device": "device_service", "media": "media"} | ({"events": "events"} if self._events else {})
        listed = "".join(
            f"<tds:Service><tds:Namespace>http://www.onvif.org/ver10/{name}/wsdl</tds:Namespace>"
            f"<tds:XAddr>{self._url}/{path}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
            for name, path in services.items()
        )
        return f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>"

    def _do_GetProfiles(self, _: ElementTree.Element) -> str:  # noqa: N802
        profiles = _profile("main", 1920, 1080) + _profile("sub", 640, 360)
        return f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"

    def _do_GetStreamUri(self, _: ElementTree.Element) -> str:  # noqa: N802
        uri = f"<trt:MediaUri><tt:Uri>{self._stream_url}</tt:Uri></trt:MediaUri>"
        return f"<trt:GetStreamUriResponse>{uri}</trt:GetStreamUriResponse>"

    def _do_GetSnapshotUri(self, _: ElementTree.Element) -> str:  # noqa: N802
        uri = f"<trt:MediaUri><tt:Uri>http://{self.address}:{self.port}/snapshot.jpg</tt:Uri></trt:MediaUri>"
        return f"<trt:GetSnapshotUriResponse>{uri}</trt:GetSnapshotUriResponse>"

    def _do_SystemReboot(self, _: ElementTree.Element) -> str:  # noqa: N802
        self.reboots += 1
        threading.Thread(target=self._rebooted, name="onvif-reboot").start()
        return "<tds:SystemRebootResponse><tds:Message>Rebooting in 1 second</tds:Message></tds:SystemRebootResponse>"

    def _do_CreatePullPointSubscription(self, _: ElementTree.Element) -> str:  # noqa: N802
        self.subscriptions += 1
        with self._changed:
            self._queued = list(self._stands.items())  # a subscription begins with how everything stands
        return (
            "<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
            f"<wsa5:Address>{self._url}/pull/{self.subscriptions}</wsa5:Address></tev:SubscriptionReference>"
            f"{self._times()}</tev:CreatePullPointSubscriptionResponse>"
        )

    def _do_PullMessages(self, asked: ElementTree.Element) -> str:  # noqa: N802
        match = re.fullmatch(r"PT(\d+)S", _text(asked, "Timeout"))
        until_s = time.monotonic() + (0 if self.hurried else int(match[1]) if match else 5)
        with self._changed:
            while not self._queued and not self._ended.is_set() and (left_s := until_s - time.monotonic()) > 0:
                self._changed.wait(left_s)
            told, self._queued = self._queued, []
        messages = "".join(self._message(kind, on) for kind, on in told)
        times = f"<tev:CurrentTime>{_utc(self._now())}</tev:CurrentTime>"
        times += f"<tev:TerminationTime>{_utc(self._now() + timedelta(minutes=1))}</tev:TerminationTime>"
        return f"<tev:PullMessagesResponse>{times}{messages}</tev:PullMessagesResponse>"

    def _do_Renew(self, _: ElementTree.Element) -> str:  # noqa: N802
        return f"<wsnt:RenewResponse>{self._times()}</wsnt:RenewResponse>"

    def _do_Unsubscribe(self, _: ElementTree.Element) -> str:  # noqa: N802
        return "<wsnt:UnsubscribeResponse/>"

    def _times(self) -> str:
        now = self._now()
        ends = _utc(now + timedelta(minutes=1))
        return f"<wsnt:CurrentTime>{_utc(now)}</wsnt:CurrentTime><wsnt:TerminationTime>{ends}</wsnt:TerminationTime>"

    def _message(self, kind: str, on: bool) -> str:
        item = "IsTamper" if kind == "tamper" else "State"
        return (
            "<wsnt:NotificationMessage>"
            '<wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet">'
            f"{TOPICS[kind]}</wsnt:Topic><wsnt:Message>"
            f'<tt:Message UtcTime="{_utc(self._now())}" PropertyOperation="Changed">'
            '<tt:Source><tt:SimpleItem Name="Source" Value="video1"/></tt:Source>'
            f'<tt:Data><tt:SimpleItem Name="{item}" Value="{str(on).lower()}"/></tt:Data>'
            "</tt:Message></wsnt:Message></wsnt:NotificationMessage>"
        )

    def _discovered(self, listener: socket.socket) -> None:
        with listener:
            while not self._ended.is_set():
                try:
                    body, asker = listener.recvfrom(65_535)
                except TimeoutError:
                    continue
                if match := re.search(rb"MessageID[^>]*>([^<]+)<", body):
                    listener.sendto(self._probe_match(match[1].decode()), asker)

    def _probe_match(self, relates_to: str) -> bytes:
        endpoint = uuid.uuid5(uuid.NAMESPACE_URL, self.serial_number)
        scopes = "onvif://www.onvif.org/name/SimCamera onvif://www.onvif.org/hardware/sim"
        return (
            f'<?xml version="1.0"?><s:Envelope {_NAMESPACES}><s:Header>'
            "<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsa:Action>"
            f"<wsa:RelatesTo>{relates_to}</wsa:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch>"
            f"<wsa:EndpointReference><wsa:Address>urn:uuid:{endpoint}</wsa:Address></wsa:EndpointReference>"
            f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{scopes}</d:Scopes>"
            f"<d:XAddrs>{self._url}/device_service</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
            "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
        ).encode()


def _profile(token: str, width: int, height: int) -> str:
    return (
        f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
        f'<tt:VideoEncoderConfiguration token="{token}"><tt:Name>{token}</tt:Name><tt:UseCount>1</tt:UseCount>'
        f"<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
        "</tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit>"
        "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>4000</tt:BitrateLimit></tt:RateControl>"
        "</tt:VideoEncoderConfiguration></trt:Profiles>"
    )


def _fault(code: str, reason: str) -> str:
    return (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{code}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )


def _local(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in element.iter() if one.tag.rpartition("}")[2] == name]


def _text(element: ElementTree.Element, name: str) -> str:
    found = _local(element, name)
    return (found[0].text or "").strip() if found else ""


def _utc(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
