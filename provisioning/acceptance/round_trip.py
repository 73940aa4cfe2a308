"""The record that goes to the central store and the receipt that comes back, and what they say of the clock."""

from __future__ import annotations

from collections.abc import Callable

from edge.clock import ntp_says_synchronised
from provisioning.acceptance import words
from provisioning.acceptance.config import Centre
from provisioning.acceptance.post import BEGUN, Connect, NotDelivered, Post
from provisioning.acceptance.sheet import Line, at_most, demanded, skipped, told


def round_trip(post: Post, connect: Connect, limits: Centre, within_s: float, *, by: str) -> list[Line]:
    """A record says that a check has begun; its receipt comes after the store's commit."""
    post.put(BEGUN, {"by": by})
    try:
        delivered = post.deliver(connect, min(within_s, limits.within_s))
    except NotDelivered as error:
        todo = words.REFUSED_BY_BROKER if error.refused else words.NO_RECEIPT
        return [demanded("centre_receipt", str(error), False, todo), skipped("clock", words.NO_ANSWER)]
    took_s = round(delivered.took_s, 2)
    apart_s = round(abs(delivered.centre_ahead_s), 2)
    unknown, late, wrong = words.NO_ANSWER, words.NO_RECEIPT, words.CLOCK_WRONG
    return [
        at_most("centre_receipt", took_s, limits.within_s, "s", todo=late, unknown=unknown),
        at_most("clock", apart_s, limits.clock_s, "s", todo=wrong, unknown=unknown),
    ]


def clock_source(*, synchronised: Callable[[], bool] = ntp_says_synchronised) -> list[Line]:
    """Who keeps this computer's clock; records are dated by the receiver as well, so that nobody is no fault."""
    return [told("clock_source", "NTP" if synchronised() else "-")]
