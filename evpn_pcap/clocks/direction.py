"""Which of two hosts is nearer to a frame's source: from places on its path, or from nesting in time.

Nesting needs no clock: a frame one way and a frame the other way, close together, enclose a longer time at the host
that is nearer to the source of the first. What contradicts itself, or is unknown, is 0 and is not used.
"""

import numpy as np

from evpn_pcap.clocks.matching import Matches

RATE_LIMIT = 300e-6  # no two clocks part faster than this (clock.md, section 5)
CLOSE_NS = 1_000_000_000  # frames one way and the other that are compared
STAMP_NS = 3_000  # two stamps of a microsecond each, and the order in which a kernel takes them
CLEAR_MAJORITY = 20  # votes for each vote against


def find_order(matches: Matches) -> np.ndarray:
    """Return +1 for each match where host a is nearer to the source, -1 where b is, 0 where nothing proves it."""
    a_first = _is_before(matches.earliest_a, matches.latest_a, matches.earliest_b, matches.latest_b)
    b_first = _is_before(matches.earliest_b, matches.latest_b, matches.earliest_a, matches.latest_a)
    told = a_first.astype(np.int8) - b_first.astype(np.int8)
    same_place = (
        (matches.earliest_a == matches.latest_a)
        & (matches.earliest_b == matches.latest_b)
        & (matches.earliest_a == matches.earliest_b)
    )
    nested = _nested(matches)
    is_contradicted = (told != 0) & (nested != 0) & (told != nested)
    return np.where(same_place | is_contradicted, 0, np.where(told != 0, told, nested)).astype(np.int8)


def _is_before(
    earliest: np.ndarray, latest: np.ndarray, other_earliest: np.ndarray, other_latest: np.ndarray
) -> np.ndarray:
    """Return where one host's place is before the other's; two hosts are never at one and the same place.

    Bounds that exclude each other mean that the evidence of one host contradicts itself.
    """
    is_sound = (earliest <= latest) & (other_earliest <= other_latest)
    is_same = (earliest == latest) & (other_earliest == other_latest) & (earliest == other_earliest)
    return np.asarray(is_sound & (latest <= other_earliest) & ~is_same)


def _nested(matches: Matches) -> np.ndarray:
    """Return the order of each match as its flow's frames one way and the other prove it, else 0."""
    order = np.lexsort((matches.first_a_ns, matches.flow, matches.b, matches.a))
    m = matches.take(order)
    here, there = slice(None, -1), slice(1, None)
    is_same = (m.a[here] == m.a[there]) & (m.b[here] == m.b[there]) & (m.flow[here] == m.flow[there])
    is_turn = (
        is_same & (m.is_forward[here] != m.is_forward[there]) & (m.first_a_ns[there] - m.first_a_ns[here] <= CLOSE_NS)
    )
    one = m.take(np.flatnonzero(is_turn))
    other = m.take(np.flatnonzero(is_turn) + 1)
    doubt_ns = STAMP_NS + RATE_LIMIT * (other.first_a_ns - one.first_a_ns)
    # If a is nearer to the first frame's source: it left a, reached b, and the other left b and reached a.
    out = (one.first_b_ns - one.last_a_ns) - (other.last_b_ns - other.first_a_ns)
    back = (other.first_b_ns - other.last_a_ns) - (one.last_b_ns - one.first_a_ns)
    vote = (out > doubt_ns).astype(np.int8) - (back > doubt_ns).astype(np.int8)
    forward_vote = np.where(one.is_forward, vote, -vote)

    number = np.cumsum(np.concatenate([[False], ~is_same]))[: len(order)]
    of_turn = number[:-1][is_turn]
    count = number.max(initial=-1) + 1
    plus = np.bincount(of_turn, weights=forward_vote > 0, minlength=count)
    minus = np.bincount(of_turn, weights=forward_vote < 0, minlength=count)
    decided = np.select([plus > CLEAR_MAJORITY * minus, minus > CLEAR_MAJORITY * plus], [1, -1], 0)
    result = np.empty(len(order), np.int8)
    result[order] = np.where(m.is_forward, decided[number], -decided[number])
    return result
