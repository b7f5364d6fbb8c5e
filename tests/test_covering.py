"""Records that hold one octet are matched whatever offload made of the segments, and never against time."""

from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap.clocks.covering import covering_rows

NOTHING = np.empty(0, np.int64)
cuts = st.lists(st.integers(1, 9_999), max_size=12, unique=True).map(lambda inner: [0, *sorted(inner), 10_000])


def records(host, borders, base, place, again=()):
    """Rows of one host that show the octets of a stream in records between borders; some of them again, later."""
    spans = [*pairwise(borders), *(one for number, one in enumerate(pairwise(borders)) if number in again)]
    return pd.DataFrame(
        {
            "host_number": host,
            "earliest": place[0],
            "latest": place[1],
            "source": 1,
            "destination": 2,
            "source_port": 40_000,
            "destination_port": 80,
            "sequence": pd.array([(base + begin) % 2**32 for begin, _ in spans], "UInt32"),
            "payload_bytes": pd.array([end - begin for begin, end in spans], "Int64"),
            "begin": [begin for begin, _ in spans],
            "sent_ns": [begin + 20_000 * (number >= len(borders) - 1) for number, (begin, _) in enumerate(spans)],
        }
    )


@settings(max_examples=100, deadline=None)
@given(cuts, cuts, st.integers(0, 2**32 - 1), st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3)), st.booleans())
def test_a_record_is_matched_with_the_one_that_held_its_first_octet(sender, receiver, base, again, anew, is_turned):
    """What is matched begins inside the sender's record, whose stamp is not later; octets shown twice are not used."""
    hosts = (1, 0) if is_turned else (0, 1)
    frames = pd.concat(
        [records(hosts[0], sender, base, (0, 1), again), records(hosts[1], receiver, base, (3, 4), anew)],
        ignore_index=True,
    )

    left, right = covering_rows(frames, NOTHING, NOTHING)

    first, last = (right, left) if is_turned else (left, right)
    begin, size, sent = (frames[name].to_numpy(np.int64) for name in ("begin", "payload_bytes", "sent_ns"))
    assert (frames["host_number"].to_numpy()[left] < frames["host_number"].to_numpy()[right]).all()
    assert ((begin[first] <= begin[last]) & (begin[last] < begin[first] + size[first])).all()
    assert (sent[first] <= sent[last]).all()
    assert len(np.unique(first)) == len(first)
    assert len(first) > 0 or again or anew


def test_what_keys_have_matched_is_not_matched_again():
    """A pair that equal keys give is left to them."""
    frames = pd.concat(
        [records(0, [0, 4_000, 10_000], 5, (0, 1)), records(1, [0, 4_000, 10_000], 5, (3, 4))], ignore_index=True
    )

    left, right = covering_rows(frames, np.array([0]), np.array([2]))

    assert (left.tolist(), right.tolist()) == ([1], [3])


def test_hosts_of_unknown_order_are_not_matched():
    """Where places do not tell which host is nearer to the source, nobody knows which record is the sender's."""
    frames = pd.concat(
        [records(0, [0, 9_000, 10_000], 5, (0, 4)), records(1, [0, 4_000, 10_000], 5, (0, 4))], ignore_index=True
    )

    assert covering_rows(frames, NOTHING, NOTHING)[0].tolist() == []


def test_frames_without_payload_are_no_matter():
    """Without TCP payload there is nothing to match."""
    frames = records(0, [0, 10], 5, (0, 1)).assign(payload_bytes=pd.array([None], "Int64"))

    assert covering_rows(frames, NOTHING, NOTHING)[0].tolist() == []
