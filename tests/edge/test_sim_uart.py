"""A UART at the wrong speed hears something else, as much of it as its speed allows, and never a sentence."""

from __future__ import annotations

import os
import termios
import tty

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.gps_unit.nmea import Framer
from edge.gps_unit.receiver import SPEEDS
from edge.sim.nmea import Observation, say
from edge.sim.uart import heard, speed_of

SAID = say(Observation(utc_ms=1_793_534_400_000, lat_deg=-6.2, lon_deg=106.8, satellites=9, hdop=0.9))


@pytest.mark.parametrize("said_at", SPEEDS)
@pytest.mark.parametrize("listened_at", SPEEDS)
def test_only_the_right_speed_brings_sentences(said_at: int, listened_at: int) -> None:
    sentences = Framer().feed(heard(SAID, said_at, listened_at))
    assert len(sentences) == (4 if said_at == listened_at else 0)


def test_a_slow_listener_hears_few_bytes_and_a_fast_one_many() -> None:
    assert len(heard(SAID, 115_200, 4_800)) < len(SAID) / 10
    assert len(heard(SAID, 4_800, 115_200)) > len(SAID)  # one for each falling edge


def test_half_and_double_the_speed_by_hand() -> None:
    # Levels of 0x00 and then idle: nine low (start and data), then high. Listened to at half the speed, the middles of
    # its bits are at 3, 5, 7, 9 (low) and 11, 13, ... (high, the stop bit too): three zeros, then ones.
    assert heard(b"\x00", 9_600, 4_800) == bytes([0b11111000])
    # At double the speed all of its bits, and the stop bit, are low: a frame without a stop bit is read as 0.
    assert heard(b"\x00", 4_800, 9_600) == b"\x00"


@given(st.binary(max_size=64), st.sampled_from(SPEEDS), st.sampled_from(SPEEDS))
def test_any_bytes_are_heard_as_some(data: bytes, said_at: int, listened_at: int) -> None:
    assert isinstance(heard(data, said_at, listened_at), bytes)
    assert heard(data, said_at, said_at) == data


def test_a_tty_says_its_speed() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    attributes = termios.tcgetattr(slave)
    attributes[4] = attributes[5] = termios.B115200
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    assert speed_of(slave) == speed_of(master) == 115_200
    os.close(master)
    os.close(slave)
