"""The simulated link does to bytes what it says, over real sockets; and the kernel's counters agree with its own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edge.sim.link import SimulatedLink
from edge.tcp_info import SEGMENT_OVERHEAD_BYTES, read_tcp_info


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        done = threading.Event()
        threads: list[threading.Thread] = []

        def serve(near: socket.socket) -> None:
            with near:
                near.settimeout(0.05)
                while not done.is_set():
                    try:
                        chunk = near.recv(65_536)
                        if not chunk:
                            return
                        near.sendall(chunk)
                    except TimeoutError:
                        continue
                    except OSError:
                        return

        def accept() -> None:
            while not done.is_set():
                try:
                    near, _ = listener.accept()
                except TimeoutError:
                    continue
                threads.append(threading.Thread(target=serve, args=(near,)))
                threads[-1].start()

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        yield listener.getsockname()[1]
        done.set()
        for thread in threads:
            thread.join()


@pytest.fixture
def link(echo: int) -> Iterator[SimulatedLink]:
    with SimulatedLink("127.0.0.1", echo) as running:
        yield running


def connected(link: SimulatedLink) -> socket.socket:
    sock = socket.create_connection((link.host, link.port), timeout=5.0)
    sock.settimeout(5.0)
    return sock


def there_and_back(sock: socket.socket, payload: bytes) -> float:
    start_s, got = time.monotonic(), b""
    sock.sendall(payload)
    while len(got) < len(payload):
        got += sock.recv(65_536)
    assert got == payload
    return time.monotonic() - start_s


def test_bytes_go_through_unchanged_and_are_counted_each_way(link: SimulatedLink) -> None:
    with connected(link) as sock:
        there_and_back(sock, bytes(range(256)) * 400)
    assert link.bytes_up == link.bytes_down == 102_400
    assert link.connections == 1


def test_a_delay_holds_for_each_way(link: SimulatedLink) -> None:
    link.delay(0.1)
    with connected(link) as sock:
        assert there_and_back(sock, b"x") >= 0.2


def test_a_limit_holds_for_each_way(link: SimulatedLink) -> None:
    link.limit(50_000)
    with connected(link) as sock:
        assert there_and_back(sock, bytes(20_000)) >= 0.4


def test_a_cut_resets_and_refuses_until_it_is_mended(link: SimulatedLink) -> None:
    sock = connected(link)
    there_and_back(sock, b"x")
    link.cut()
    with sock, pytest.raises(ConnectionResetError):
        sock.recv(1)
    with pytest.raises(ConnectionResetError), connected(link) as refused:  # a busy machine's connect is reset itself
        refused.sendall(b"x")
        refused.recv(1)
        refused.recv(1)
    link.mend()
    with connected(link) as again:
        there_and_back(again, b"x")


def test_a_silent_direction_swallows_and_tells_nobody(link: SimulatedLink) -> None:
    with connected(link) as sock:
        link.silence("down")
        sock.sendall(b"lost")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        link.mend()
        sock.settimeout(5.0)
        there_and_back(sock, b"heard")
    assert link.bytes_up == 9


def test_a_stall_stands_still_in_mid_record_until_it_is_mended(link: SimulatedLink) -> None:
    with connected(link) as sock:
        link.stall_after(4, "up")
        sock.sendall(b"abcdefgh")
        assert sock.recv(10) == b"abcd"
        sock.sendall(b"ij")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        link.mend()
        sock.settimeout(5.0)
        got = b""
        while len(got) < 6:
            got += sock.recv(10)
        assert got == b"efghij"


def test_a_stall_of_answers_lets_questions_through(link: SimulatedLink) -> None:
    with connected(link) as sock:
        link.stall_after(0, "down")
        sock.sendall(b"abc")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(10)
        assert link.bytes_up == 3 and link.bytes_down == 0


def test_a_reset_comes_after_so_many_bytes_and_only_once(link: SimulatedLink) -> None:
    link.reset_after(3, "down")
    with connected(link) as sock:
        sock.sendall(b"abcdef")
        got = b""
        with pytest.raises(ConnectionResetError):
            while chunk := sock.recv(10):
                got += chunk
        assert len(got) <= 3  # a reset may overtake what the kernel had not handed over
    assert link.bytes_down == 3
    with connected(link) as again:
        there_and_back(again, b"all of it")


@pytest.mark.parametrize("after_bytes", [0, 5])
def test_a_slammed_door_ends_each_connection_and_counts_those_who_knock(link: SimulatedLink, after_bytes: int) -> None:
    old = connected(link)
    there_and_back(old, b"x")
    link.slam(after_bytes)
    with old, pytest.raises(ConnectionResetError):
        old.recv(1)
    for _ in range(3):
        with pytest.raises(ConnectionResetError), connected(link) as sock:
            sock.sendall(bytes(20))
            while sock.recv(10):
                continue
    assert link.attempts == 4
    assert link.bytes_up == 1 + 3 * after_bytes
    link.mend()
    with connected(link) as sock:
        there_and_back(sock, b"x")


def test_a_portal_answers_in_the_brokers_place(link: SimulatedLink) -> None:
    link.portal(b"HTTP/1.1 302 Found\r\n\r\n")
    with connected(link) as sock:
        sock.sendall(b"CONNECT")
        assert sock.recv(100).startswith(b"HTTP")
        assert sock.recv(100) == b""
    assert link.portal_heard == [b"CONNECT"] and link.bytes_up == 0
    link.mend()
    with connected(link) as sock:
        there_and_back(sock, b"x")


def test_a_far_end_that_does_not_read_hangs_nothing() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        SimulatedLink(*listener.getsockname()) as link,
        connected(link) as sock,
    ):
        far, _ = listener.accept()
        sock.settimeout(0.5)
        with far, pytest.raises(TimeoutError):
            while True:
                sock.send(bytes(65_536))
        link.delay(0.0)


def test_the_kernels_counters_are_read(link: SimulatedLink) -> None:
    with connected(link) as sock:
        there_and_back(sock, bytes(30_000))
        info = read_tcp_info(sock)
        assert info is not None
        assert info.acked_bytes in (30_000, 30_001)
        assert 30_000 + SEGMENT_OVERHEAD_BYTES < info.up_bytes < 40_000
        assert (
            info.down_bytes > 30_000 and info.silent_s < 10.0 and info.busy_s >= 0.0 and 0.0 <= info.least_rtt_s < 1.0
        )
    assert read_tcp_info(sock) is None
