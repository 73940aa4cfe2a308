"""What can be asked for on the command line, and what a combination of scenarios needs."""

import pytest

from torture.report import Claim, Report, exit_code
from torture.scenario import Setup, chosen


def test_every_scenario_says_its_promise_in_one_sentence():
    for one in chosen([]):
        assert one.promise.endswith(".") and one.promise.count(". ") == 0, one.name


def test_a_group_a_name_and_a_combination():
    assert [one.name for one in chosen(["kill-random", "link-flapping+kill-random"])] == [
        "kill-random",
        "link-flapping+kill-random",
    ]
    assert {one.group for one in chosen(["link"])} == {"link"}
    with pytest.raises(LookupError, match="nonsense"):
        chosen(["nonsense"])


def test_a_combination_needs_what_each_part_needs_and_judges_times_only_when_both_do():
    one = Setup(boxes=2, settings={"report": {"interval_s": 2.0}}, tolerance_ms=0)
    other = Setup(settings={"report": {"policy": True}}, tolerance_ms=500, named=True)
    both = one.over(other)
    assert both.boxes == 2 and both.named and both.tolerance_ms == 500
    assert both.settings == {"report": {"interval_s": 2.0, "policy": True}}
    assert one.over(Setup(tolerance_ms=None)).tolerance_ms is None
    assert Setup(clock=True, boots=True).over(Setup(network=True)) == Setup(clock=True, boots=True, network=True)


def test_a_report_without_a_claim_or_with_an_error_does_not_hold():
    report = Report(scenario="x", promise="y.", seed=1)
    assert not report.holds
    report.claims.append(Claim("true", True))
    assert report.holds and exit_code([report]) == 0
    report.error = "Traceback"
    assert not report.holds and exit_code([report]) == 1
    assert exit_code([]) == 1


def test_a_loss_is_never_forgiven_and_being_late_once():
    late = Report(scenario="x", promise="y.", seed=1, claims=[Claim("in time", False)])
    assert late.forgivable
    assert not Report(scenario="x", promise="y.", seed=1, claims=[Claim("stored", False)], missing=1).forgivable
    assert not Report(scenario="x", promise="y.", seed=1, claims=[Claim("once", False)], twice=1).forgivable
    late.claims = [Claim("in time", True)]
    assert not late.forgivable, "it holds"
