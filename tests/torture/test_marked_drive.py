"""The suite's own drive: every epoch can be told again from its bytes, and from what the centre has of it."""

from itertools import islice

from torture.drive import marked, place_of


def test_no_place_is_named_twice_and_each_is_read_back_from_the_sentence():
    drives = [list(islice(marked(0, per_s=5.0, lane=lane), 2000)) for lane in (0, 1)]
    places = [place_of(epoch.data) for drive in drives for epoch in drive]
    assert len(set(places)) == 4000 and None not in places
    assert places[1] == (-61_999_900, 1_068_270_000)


def test_it_drives_in_honest_time():
    epochs = list(islice(marked(1_000_000, per_s=5.0), 11))
    assert [epoch.utc_ms for epoch in epochs[:3]] == [1_000_000, 1_000_200, 1_000_400]
    assert epochs[10].at_s == 2.0


def test_an_epoch_without_a_fix_names_no_place():
    assert place_of(b"$GPGGA,120000.000,,,,,0,00,99.90,,,,,,*72") is None
