"""The suite's own arithmetic: if it could not tell a loss, its verdicts would be worth nothing."""

from torture.account import Epoch, Opened, Stored, compare, due, restart_to_first_epoch_s


def stored(*keys: int) -> list[Stored]:
    return [Stored(key, key) for key in keys]


def drive(n: int) -> list[Epoch]:
    return [Epoch(1000 * i, float(i), i + 0.1, 1000 * i) for i in range(n)]


def test_an_epoch_is_due_when_the_next_one_began_200_ms_before_the_kill():
    assert due(drive(5), [Opened(0.0, 3.19)]) == {0, 1000}
    assert due(drive(5), [Opened(0.0, 3.2)]) == {0, 1000, 2000}


def test_what_a_process_waited_for_a_cpu_is_added_to_the_200_ms():
    assert due(drive(5), [Opened(0.0, 3.2, waited_s=0.1)]) == {0, 1000}


def test_an_epoch_begun_before_the_port_was_open_is_not_due():
    assert due(drive(5), [Opened(0.05, 10.0)]) == {1000, 2000, 3000}


def test_an_epoch_that_spans_two_processes_is_not_due():
    assert due(drive(4), [Opened(0.0, 1.5), Opened(1.6, 10.0)]) == {0, 2000}


def test_a_missing_due_epoch_a_double_and_a_foreign_one_are_each_named():
    verdict = compare(drive(5), [Opened(0.0, 99.0)], stored(0, 1000, 1000, 3000, 7777))
    assert verdict.due_missing == (2000,)
    assert verdict.twice == (1000,)
    assert verdict.foreign == (7777,)
    assert not verdict.holds


def test_an_epoch_that_was_not_due_may_be_missing_and_is_counted_as_unobserved():
    verdict = compare(drive(5), [Opened(0.0, 3.5)], stored(0, 1000, 2000))
    assert verdict.holds
    assert verdict.unobserved == 2


def test_restart_is_measured_to_the_first_stored_epoch_begun_after_it():
    assert restart_to_first_epoch_s([0.0, 2.5], drive(6), stored(0, 1000, 4000, 5000)) == [0.1, 4.1 - 2.5]


def test_a_start_in_a_tunnel_is_no_slow_start_but_a_slow_start_is():
    tunnel = [Epoch(1000 * i, float(i), i + 0.1, 1000 * i) for i in (0, 9, 10)]
    assert restart_to_first_epoch_s([2.0], tunnel, stored(9000, 10_000)) == []
    assert restart_to_first_epoch_s([0.0], drive(6), stored(5000)) == [5.1]


def test_a_time_that_was_not_said_is_named_unless_times_are_not_judged():
    found = [Stored(0, 0), Stored(1000, 1900), Stored(2000, None)]
    assert compare(drive(3), [], found, tolerance_ms=899).wrong_time == (1000, 2000)
    assert compare(drive(3), [], found, tolerance_ms=900).wrong_time == (2000,)
    assert compare(drive(3), [], found).wrong_time == ()
