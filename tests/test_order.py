"""Laws of order.py."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evpn_pcap.model import FOREVER
from evpn_pcap.order import AFTER, BEFORE, TOO_CLOSE, PairMargins, order, order_within

TIMES = st.integers(-(2**61), 2**61)
MARGINS = st.integers(0, 2**60)
ERRORS = st.integers(-1000, 1000)  # thousandths of the margin
OPPOSITE = {BEFORE: AFTER, AFTER: BEFORE, TOO_CLOSE: TOO_CLOSE}


@given(TIMES, MARGINS, TIMES, MARGINS, ERRORS, ERRORS)
def test_verdict_is_true_for_every_error_within_the_margins(first, first_margin, second, second_margin, e1, e2):
    """A moment called before (after) the other is so wherever both clocks err within their margins."""
    verdict = str(order(first, first_margin, second, second_margin))

    true_first, true_second = first + first_margin * e1 // 1000, second + second_margin * e2 // 1000

    assert {BEFORE: true_first < true_second, AFTER: true_first > true_second, TOO_CLOSE: True}[verdict]


@given(TIMES, MARGINS, TIMES, MARGINS)
def test_swapping_the_moments_swaps_the_verdict(first, first_margin, second, second_margin):
    """Order is antisymmetric."""
    verdict = str(order(first, first_margin, second, second_margin))

    assert str(order(second, second_margin, first, first_margin)) == OPPOSITE[verdict]


@given(TIMES, MARGINS, TIMES, MARGINS, st.integers(-(2**60), 2**60))
def test_shifting_both_moments_changes_nothing(first, first_margin, second, second_margin, shift):
    """Only the difference of two times counts."""
    assert str(order(first, first_margin, second, second_margin)) == str(
        order(first + shift, first_margin, second + shift, second_margin)
    )


def test_arrays_are_ordered_elementwise():
    """Arrays give one word an element, exact to the nanosecond where floats would not be."""
    base = 1_795_375_633_062_696_123

    verdict = order(np.full(3, base), np.array([0, 0, 1]), np.array([base + 1, base, base - 2]), np.array([0, 0, 0]))

    assert verdict.tolist() == [BEFORE, TOO_CLOSE, AFTER]


@given(TIMES, TIMES, MARGINS)
def test_a_host_that_is_not_aligned_is_never_told_apart(first, second, margin):
    """A margin of FOREVER, on either side or both, leaves every order open."""
    verdicts = order([first] * 3, [FOREVER, margin, FOREVER], [second] * 3, [margin, FOREVER, FOREVER])

    assert verdicts.tolist() == [TOO_CLOSE] * 3


PAIR = PairMargins(
    ("a", "b", "c"),
    np.array([[-1, 0, -1], [0, -1, -1], [-1, -1, -1]], np.int32),
    np.array([0, 1_000, 2_000], np.int64),
    np.array([[10, 30, 50]], np.int64),
)


def test_two_hosts_that_know_each_other_are_told_apart_by_what_they_know():
    """The doubt is linear between moments, and where only margins are known it is their sum; one host has none."""
    first, second = np.array(["a", "a", "a", "c", "x"]), np.array(["b", "b", "a", "b", "b"])
    margins = np.array([500, 500, 500, 500, FOREVER])

    doubt = PAIR.doubt(first, np.array([500, 9_999, 500, 500, 500]), margins, second, 500, np.full(5, 700))

    assert doubt.tolist() == [20, 1_200, 0, 1_200, FOREVER]


@given(st.integers(0, 1_999), st.integers(0, 1_999), st.integers(0, 100), st.integers(0, 100))
def test_the_doubt_between_two_hosts_is_symmetric_and_never_more_than_both_margins(first, second, one, other):
    """Knowing a pair never makes it less known, whichever host comes first."""
    there = PAIR.doubt(["a"], [first], [one], ["b"], [second], [other])

    assert there.tolist() == PAIR.doubt(["b"], [second], [other], ["a"], [first], [one]).tolist()
    assert int(there[0]) <= one + other


@given(TIMES, TIMES, MARGINS)
def test_order_within_a_doubt_is_that_of_margins_of_the_same_sum(first, second, doubt):
    """One doubt for the difference is as good as two margins that add up to it."""
    assert str(order_within(first, second, doubt)) == str(order(first, doubt, second, 0))
