"""TLS with a clock that may be wrong: chain and name always, dates by what is known, and refusals that say why."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.clock import Clock
from edge.errors import LinkRefused
from edge.tls import Identity, LinkSocket, certificate_date_ms, make_context, refusal
from provisioning.throwaway import Authority, Credentials, make_authority

NOW_MS = int(dt.datetime.now(dt.UTC).timestamp() * 1000)
DAY = dt.timedelta(days=1)
DAY_MS = 86_400_000


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority")


def identity(credentials: Credentials) -> Identity:
    return Identity(
        ca_path=credentials.ca_path,
        certificate_path=credentials.certificate_path,
        key_path=credentials.key_path,
    )


def clock(*, os_ms: int, floor_ms: int = 0, receipt_ms: int | None = None, gnss_ms: int | None = None) -> Clock:
    made = Clock(
        built_utc_ms=NOW_MS - 30 * DAY_MS,
        floor_utc_ms=floor_ms,
        realtime_ns=lambda: os_ms * 1_000_000,
        ntp_synchronised=lambda: False,
    )
    if receipt_ms is not None:
        made.heard_receipt(receipt_ms)
    if gnss_ms is not None:
        made.heard_gnss(gnss_ms)
    return made


@contextmanager
def tls_server(credentials: Credentials) -> Iterator[int]:
    """A TLS server that wants a client certificate and hangs up after the handshake."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(credentials.ca_path))
    context.load_cert_chain(str(credentials.certificate_path), str(credentials.key_path))
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            near, _ = listener.accept()
            near.settimeout(5.0)
            try:
                with context.wrap_socket(near, server_side=True) as sock:
                    sock.sendall(b"hello")
            except OSError:
                near.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def connect(me: Identity, box_clock: Clock, port: int, host: str = "localhost") -> LinkSocket:
    context = make_context(me, box_clock)
    plain = socket.create_connection(("127.0.0.1", port), timeout=5.0)
    sock = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
    assert isinstance(sock, LinkSocket)
    sock.do_handshake()
    return sock


def attempt(authority: Authority, box_clock: Clock, broker: Credentials, host: str = "localhost") -> str | None:
    """Why the connection was refused, None when it was made."""
    me = identity(authority.ensure("box-1", "unit"))
    with tls_server(broker) as port:
        try:
            with connect(me, box_clock, port, host) as sock:
                sock.recv(5)
        except OSError as error:
            return refusal(error) or repr(error)
    return None


RIGHT = {"os_ms": NOW_MS, "gnss_ms": NOW_MS}
AT_1970 = {"os_ms": 60_000}


@pytest.mark.parametrize("times", [RIGHT, AT_1970, {**AT_1970, "receipt_ms": NOW_MS}])
def test_a_good_broker_is_let_in_whatever_the_os_clock_says(authority: Authority, times: dict[str, int]) -> None:
    assert attempt(authority, clock(**times), authority.issue("localhost", "broker")) is None


@pytest.mark.parametrize("times", [RIGHT, AT_1970, {**AT_1970, "receipt_ms": NOW_MS}])
def test_a_wrong_host_name_is_refused_whatever_the_clock(authority: Authority, times: dict[str, int]) -> None:
    reason = attempt(authority, clock(**times), authority.issue("localhost", "broker"), host="elsewhere")
    assert reason is not None and "elsewhere" in reason


@pytest.mark.parametrize("times", [RIGHT, AT_1970])
def test_another_authority_is_refused_whatever_the_clock(
    authority: Authority, tmp_path: Path, times: dict[str, int]
) -> None:
    other = make_authority(tmp_path / "other").issue("localhost", "broker")
    reason = attempt(authority, clock(**times), Credentials(authority.ca_path, other.certificate_path, other.key_path))
    assert reason is not None and "broker" in reason


def expired(authority: Authority) -> Credentials:
    now = dt.datetime.now(dt.UTC)
    return authority.issue("localhost", "broker", not_before=now - 100 * DAY, not_after=now - 10 * DAY)


def test_an_expired_broker_is_refused_when_the_os_clock_is_right(authority: Authority) -> None:
    reason = attempt(authority, clock(**RIGHT), expired(authority))
    assert reason is not None and "expired" in reason


def test_an_expired_broker_is_refused_by_the_floor_when_the_os_clock_is_at_1970(authority: Authority) -> None:
    reason = attempt(authority, clock(os_ms=60_000, floor_ms=NOW_MS - DAY_MS), expired(authority))
    assert reason is not None and "ended" in reason


def test_a_broker_that_ended_after_the_floor_is_let_in_until_the_date_is_known(authority: Authority) -> None:
    assert attempt(authority, clock(os_ms=60_000, floor_ms=NOW_MS - 20 * DAY_MS), expired(authority)) is None
    reason = attempt(authority, clock(os_ms=60_000, receipt_ms=NOW_MS), expired(authority))
    assert reason is not None and "ended" in reason


def test_a_certificate_that_has_not_begun_is_refused_once_the_date_is_known(authority: Authority) -> None:
    now = dt.datetime.now(dt.UTC)
    early = authority.issue("localhost", "broker", not_before=now + 5 * DAY, not_after=now + 50 * DAY)
    assert attempt(authority, clock(**AT_1970), early) is None
    reason = attempt(authority, clock(os_ms=60_000, receipt_ms=NOW_MS), early)
    assert reason is not None and "begins" in reason


def test_a_spoofed_sky_does_not_lock_the_box_out_nor_does_a_wrong_centre(authority: Authority) -> None:
    broker, year_ms = authority.issue("localhost", "broker"), 365 * DAY_MS
    for times in (
        {"receipt_ms": NOW_MS, "gnss_ms": NOW_MS + 19 * year_ms},
        {"gnss_ms": NOW_MS, "receipt_ms": NOW_MS - DAY_MS},
    ):
        assert attempt(authority, clock(os_ms=NOW_MS, **times), broker) is None
    assert "ended" in str(attempt(authority, clock(os_ms=NOW_MS, gnss_ms=NOW_MS + 19 * year_ms), broker))
    both = clock(os_ms=NOW_MS, gnss_ms=NOW_MS + 19 * year_ms, receipt_ms=NOW_MS)
    assert "ended" in str(attempt(authority, both, expired(authority)))


def test_the_end_of_the_brokers_certificate_is_remembered(authority: Authority) -> None:
    ends = dt.datetime.now(dt.UTC).replace(microsecond=0) + 50 * DAY
    me = identity(authority.ensure("box-1", "unit"))
    with (
        tls_server(authority.issue("localhost", "broker", not_after=ends)) as port,
        connect(me, clock(**RIGHT), port) as sock,
    ):
        assert sock.context.ends_utc_ms == int(ends.timestamp()) * 1000


def test_it_is_fully_checked_only_when_a_date_is_known(authority: Authority) -> None:
    me = identity(authority.ensure("box-1", "unit"))
    assert make_context(me, clock(**RIGHT)).fully_checked
    assert make_context(me, clock(os_ms=60_000, receipt_ms=NOW_MS)).fully_checked
    context = make_context(me, clock(**AT_1970))
    assert not context.fully_checked
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname


def test_an_os_clock_right_by_chance_is_not_trusted(authority: Authority) -> None:
    assert not make_context(identity(authority.ensure("box-1", "unit")), clock(os_ms=NOW_MS)).judged_by_openssl


def test_the_brokers_refusal_of_our_certificate_is_told_on_the_first_read(authority: Authority, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)
    authority.issue("box-1", "unit", not_before=now - 100 * DAY, not_after=now - 10 * DAY)
    reason = attempt(authority, clock(**RIGHT), authority.issue("localhost", "broker"))
    assert reason is not None and "refused our certificate" in reason and "expired" in reason


def test_the_socket_sends_at_once_and_dies_on_a_dead_path(authority: Authority) -> None:
    me = identity(authority.ensure("box-1", "unit"))
    with tls_server(authority.issue("localhost", "broker")) as port, connect(me, clock(**RIGHT), port) as sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 30_000
        sock.recv(5)


def test_a_key_that_is_not_the_certificates_is_refused_by_us(authority: Authority) -> None:
    one, two = authority.ensure("box-1", "unit"), authority.ensure("box-2", "unit")
    mixed = Identity(ca_path=one.ca_path, certificate_path=one.certificate_path, key_path=two.key_path)
    with pytest.raises(LinkRefused):
        make_context(mixed, clock(**RIGHT))


@pytest.mark.parametrize("error", [None, OSError(), ConnectionResetError(), TimeoutError(), ssl.SSLError(1, "x")])
def test_an_ordinary_loss_is_no_refusal(error: BaseException | None) -> None:
    assert refusal(error) is None


def test_dates_are_read_whatever_the_locale() -> None:
    assert certificate_date_ms("Jan  5 09:34:43 2028 GMT") == 1_830_677_683_000
