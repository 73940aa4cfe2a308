"""The framer: only what is intact comes out, however the bytes come in."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spoken import gga, nmea, rmc, zda

from edge.gps_unit.nmea import LONGEST_SENTENCE, Framer

RMC = rmc("100000.00")
GGA = gga("100000.00")
UBX_WITH_DOLLAR = b"\xb5\x62\x01\x07\x08\x00$GP\x00$\xff*4D\x12\x34"
RTCM = b"\xd3\x00\x13>\xd0\x00\x03$\x8a\x0e"
SIRF = b"\xa0\xa2\x00\x04$$\x01\x02\x01\x2f\xb0\xb3"


def texts(stream: bytes, framer: Framer | None = None) -> list[str]:
    return [sentence.text for sentence in (framer or Framer()).feed(stream)]


def text_of(sentence: bytes) -> str:
    return sentence.decode().strip()


def test_a_sentence_names_its_talker_and_kind() -> None:
    (gnss,) = Framer().feed(nmea("GNGGA,1"))
    (maker,) = Framer().feed(nmea("PGRMC,A,218.8"))
    (long_maker,) = Framer().feed(nmea("PUBX,00,1"))
    assert (gnss.talker, gnss.kind) == ("GN", "GGA")
    assert (maker.talker, maker.kind) == ("", "PGRMC")  # Garmin's own sentence, not talker PG's RMC
    assert (long_maker.talker, long_maker.kind) == ("", "PUBX")


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(b"", id="glued without CR LF"),
        pytest.param(b"\n", id="LF alone"),
        pytest.param(UBX_WITH_DOLLAR, id="UBX holding $"),
        pytest.param(RTCM, id="RTCM"),
        pytest.param(SIRF, id="SiRF binary"),
        pytest.param(b"*** program startup ***\r\n", id="banner"),
        pytest.param(b"$", id="a stray $"),
        pytest.param(b"$GPGGA,1000", id="a cut sentence"),
        pytest.param(b"!AIVDM,1,1,,A,13u?etPv2;0n:dDPwUM1U1Cb069D,0*24\r\n", id="AIS"),
        pytest.param(b",1700000000123\r\nNMEA,", id="Android prefix and suffix"),
        pytest.param(b"\x00" * 5000, id="silence on a broken line"),
        pytest.param(b"$GP" + b"9" * 5000, id="an endless line"),
    ],
)
def test_what_stands_between_sentences_hurts_neither(between: bytes) -> None:
    stream = nmea("GPGGA,1", b"") + between + nmea("GPRMC,2", b"")
    assert texts(stream) == [text_of(nmea("GPGGA,1")), text_of(nmea("GPRMC,2"))]


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"$GPGGA,1000*00\r\n", "bad_checksum"),
        (b"$GGPGSV,3,1,10*7A\r\n", "bad_checksum"),  # corpus: google_mtv_f9k, a doubled byte
        (b"$GPGGA,1000\r\n", "no_checksum"),
        (b"$GPGGA,1000*\r\n", "no_checksum"),
        (b"$GPGGA,1000*4\r\n", "no_checksum"),
        (b"$GPGGA,10$GPGGA,1000", "cut_short"),
        (b"$GPGGA,10\xff\x00", "cut_short"),
        (b"$GPGGA," + b"1" * LONGEST_SENTENCE, "too_long"),
        (b"$PUBX,00,1*00\r\n", "bad_checksum"),
    ],
)
def test_a_sentence_that_failed_is_counted_by_reason(damaged: bytes, reason: str) -> None:
    framer = Framer()
    assert texts(damaged, framer) == []
    assert framer.rejected == {reason: 1}


def test_a_dollar_in_binary_is_not_counted_as_a_sentence() -> None:
    framer = Framer()
    assert texts(UBX_WITH_DOLLAR * 100 + b"\r\n", framer) == []
    assert not {reason for reason, count in framer.rejected.items() if count}


def test_a_checksum_may_be_written_in_small_letters() -> None:
    assert len(texts(nmea("GPGGA,10").replace(b"*", b"*").lower().replace(b"gpgga", b"GPGGA"))) == 1


@given(st.binary(max_size=4000))
def test_any_bytes_are_survived_in_bounded_memory(junk: bytes) -> None:
    framer = Framer()
    for start in range(0, len(junk), 97):
        framer.feed(junk[start : start + 97])
        assert len(framer._held) <= LONGEST_SENTENCE


def test_memory_is_bounded_when_a_line_never_ends() -> None:
    framer = Framer()
    for _ in range(1000):
        framer.feed(b"$GPGGA," + b"1" * 500)
        assert len(framer._held) <= LONGEST_SENTENCE


PIECES = st.sampled_from(
    [RMC, GGA, zda("100000.00"), RMC[:20], UBX_WITH_DOLLAR, RTCM, b"$", b"*", b"\r\n", b"$GP*1", b"\xff"]
)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=30).map(b"".join), st.lists(st.integers(0, 60)))
def test_chunks_make_no_difference(stream: bytes, sizes: list[int]) -> None:
    whole, cut = Framer(), Framer()
    expected = texts(stream, whole)
    got, rest = [], stream
    for size in sizes:
        got += texts(rest[:size], cut)
        rest = rest[size:]
    assert got + texts(rest, cut) == expected
    assert +cut.rejected == +whole.rejected


@given(st.data())
def test_one_damage_costs_at_most_the_sentences_it_touches(data: st.DataObject) -> None:
    """A flipped, lost or doubled byte never lets a changed sentence through and never takes a third one along."""
    sentences = [nmea(f"GPGGA,{number},{'5' * (number % 7)}") for number in range(100, 112)]
    stream = b"".join(sentences)
    at = data.draw(st.integers(0, len(stream) - 1))
    damage = data.draw(st.sampled_from(["flip", "lose", "double"]))
    byte = bytes([stream[at] ^ (1 << data.draw(st.integers(0, 7)))])
    middle = {"flip": byte, "lose": b"", "double": stream[at : at + 1] * 2}[damage]
    got = texts(stream[:at] + middle + stream[at + 1 :])
    intact = [text_of(sentence) for sentence in sentences]
    same = [text for text in got if text.upper() in intact]
    # What is left of a sentence may be intact by itself with 1 chance in 256; it has no talker then.
    assert all(not re.match(r"\$G[A-Z]GGA,\d{3},", text) for text in got if text not in same)
    assert len(same) >= len(intact) - 2
