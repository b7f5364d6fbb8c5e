"""Segments in any order become the octets that the speaker wrote, each range with the frame that delivered it."""

from itertools import pairwise
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap.addresses import frame_id
from tests.bgp_octets import ALICE, BOB, join_streams, segments

FIN, SYN, RST = 0x01, 0x02, 0x04
ISN = 999


def syn(sequence=ISN, **more):
    return {"sequence": sequence, "flags": SYN, **more}


def data(offset, payload, **more):
    return {"sequence": (ISN + 1 + offset) % 2**32, "payload": payload, **more}


def told(streams):
    return list(zip(streams["event"], streams["octets"], strict=True))


def octets_of(streams):
    return b"".join(streams["octets"])


def test_in_order():
    """Octets in order come out as they were sent, behind the start that the SYN is."""
    streams, anomalies = join_streams(segments(syn(), data(0, b"abc"), data(3, b"def")))

    assert told(streams) == [("start", b""), ("data", b"abc"), ("data", b"def")]
    assert streams["sequence"].tolist() == [999, 1000, 1003]
    assert streams["frame_id"].tolist() == [1, 2, 3]
    assert anomalies.empty


def test_acknowledgements_are_no_rows():
    """A segment without octets or closing flags leaves no trace."""
    streams, _ = join_streams(segments(syn(), data(0, b""), data(0, b"abc"), data(3, b"")))

    assert streams["event"].tolist() == ["start", "data"]


def test_earliest_sighting_delivers():
    """Of a segment that two captures of one host hold, the earlier sighting delivers the octets once."""
    later = {"frame_id": frame_id(1, 1), "captured_ns": 5000}
    earlier = {"frame_id": frame_id(2, 9), "captured_ns": 4000}

    streams, _ = join_streams(segments(syn(captured_ns=1), data(0, b"abc", **later), data(0, b"abc", **earlier)))

    assert octets_of(streams) == b"abc"
    assert streams["frame_id"].tolist()[1:] == [frame_id(2, 9)]
    assert streams["captured_ns"].tolist()[1:] == [4000]


def test_hosts_are_apart():
    """Each host that saw a connection has its own stream of it."""
    streams, _ = join_streams(segments(data(0, b"abc", host="left"), data(0, b"abc", host="right")))

    assert streams.groupby("host")["octets"].sum().to_dict() == {"left": b"abc", "right": b"abc"}
    assert streams["stream_id"].nunique() == 2


def test_directions_are_apart():
    """The two directions of a connection are two streams."""
    back = {"sender_ip": BOB, "sender_port": 179, "receiver_ip": ALICE, "receiver_port": 40000}

    streams, _ = join_streams(segments(data(0, b"abc"), data(0, b"xyz", **back)))

    assert streams.groupby("stream_id")["octets"].sum().tolist() == [b"abc", b"xyz"]


def test_retransmission_with_more():
    """A retransmission that carries more than was sent before delivers only what is new."""
    streams, _ = join_streams(segments(syn(), data(0, b"abc"), data(0, b"abcdef"), data(2, b"cd")))

    assert told(streams) == [("start", b""), ("data", b"abc"), ("data", b"def")]


def test_early_octets_wait():
    """Octets that arrived early have the time at which those in front of them arrived, and their own frame."""
    streams, anomalies = join_streams(segments(syn(), data(3, b"def"), data(0, b"abc")))

    assert told(streams) == [("start", b""), ("data", b"abc"), ("data", b"def")]
    assert streams["frame_id"].tolist() == [1, 3, 2]
    assert streams["captured_ns"].tolist() == [1000, 3000, 3000]
    assert anomalies.empty


def test_missing_segment():
    """A segment that never comes is a gap at its first octet, counted once for the capture."""
    streams, anomalies = join_streams(segments(syn(), data(0, b"abc"), data(5, b"fgh"), data(9, b"jk")))

    assert told(streams)[2:] == [("gap", b""), ("data", b"fgh"), ("gap", b""), ("data", b"jk")]
    assert streams["sequence"].tolist() == [999, 1000, 1003, 1005, 1008, 1009]
    assert anomalies[["capture_id", "name", "count"]].to_numpy().tolist() == [[0, "bgp.stream.gap", 2]]


def test_cut_payload_is_a_gap():
    """What the snapshot length cut off is missing like a segment that never came."""
    streams, _ = join_streams(segments(syn(), data(0, b"abc", payload_bytes=10), data(10, b"xyz")))

    assert told(streams)[1:] == [("data", b"abc"), ("gap", b""), ("data", b"xyz")]


def test_another_capture_fills_the_cut():
    """What one capture of a host cut off, another capture of the same host delivers."""
    cut = data(0, b"abc", payload_bytes=6, captured_ns=10)
    whole = data(0, b"abcdef", captured_ns=11, frame_id=frame_id(1, 1))

    streams, anomalies = join_streams(segments(syn(captured_ns=1), cut, whole, data(6, b"ghi", captured_ns=12)))

    assert octets_of(streams) == b"abcdefghi"
    assert anomalies.empty


def test_sequence_wraps():
    """Sequence numbers go on at 0 behind 2**32 - 1."""
    first = 2**32 - 2

    streams, anomalies = join_streams(
        segments(
            syn(first - 1),
            {"sequence": first, "payload": b"abcd"},
            {"sequence": 5, "payload": b"hi"},
            {"sequence": 2, "payload": b"efg"},
        )
    )

    assert octets_of(streams) == b"abcdefghi"
    assert streams["sequence"].tolist() == [first - 1, first, 2, 5]
    assert anomalies.empty


def test_preexisting():
    """Octets without a SYN make a stream that was there before, one sequence number in front of them."""
    streams, _ = join_streams(segments(data(0, b"abc")))

    assert told(streams) == [("preexisting", b""), ("data", b"abc")]
    assert streams["sequence"].tolist() == [999, 1000]


def test_reset_ends_at_once():
    """RST is a reset, once however often it is repeated; its copies and late octets change nothing."""
    streams, _ = join_streams(
        segments(syn(), data(0, b"abc"), data(3, b"", flags=RST), data(3, b"", flags=RST), data(0, b"abc"))
    )

    assert streams["event"].tolist() == ["start", "data", "reset"]


def test_fin_is_in_order():
    """FIN ends the stream only behind the octets in front of it, and once."""
    fin = data(6, b"", flags=FIN)

    streams, _ = join_streams(segments(syn(), data(0, b"abc"), fin, data(3, b"def"), fin))

    assert told(streams) == [("start", b""), ("data", b"abc"), ("data", b"def"), ("end", b"")]
    assert streams["captured_ns"].tolist() == [1000, 2000, 4000, 4000]


def test_fin_with_octets():
    """A segment may carry the last octets and the FIN."""
    streams, _ = join_streams(segments(syn(), data(0, b"abc", flags=FIN)))

    assert told(streams) == [("start", b""), ("data", b"abc"), ("end", b"")]
    assert not streams.duplicated(["stream_id", "frame_id", "sequence"]).any()


def test_ports_reused():
    """A SYN with another initial sequence number begins a new stream; the same SYN again does not."""
    streams, _ = join_streams(
        segments(syn(), syn(), data(0, b"abc"), syn(5_000_000), {"sequence": 5_000_001, "payload": b"xyz"})
    )

    assert told(streams) == [("start", b""), ("data", b"abc"), ("start", b""), ("data", b"xyz")]
    assert streams["stream_id"].tolist() == [0, 0, 1, 1]


def test_new_connection_without_syn():
    """Octets far from a stream, or behind its reset, belong to another connection that was there before."""
    far = {"sequence": 900_000_000, "payload": b"far"}
    behind = {"sequence": 900_000_003, "payload": b"new"}
    reset = {"sequence": 900_000_003, "flags": RST}

    streams, _ = join_streams(segments(syn(), data(0, b"abc"), far, reset, behind))

    assert streams["event"].tolist() == ["start", "data", "preexisting", "data", "reset", "preexisting", "data"]
    assert streams["stream_id"].tolist() == [0, 0, 1, 1, 1, 2, 2]


def test_reset_of_nothing():
    """A refused connection is a reset and nothing else."""
    streams, _ = join_streams(segments({"sequence": 0, "flags": RST}, {"sequence": 0, "flags": RST}))

    assert told(streams) == [("reset", b"")]


def test_waiting_is_bounded():
    """Behind a missing segment at most 4 MiB wait; then it counts as missing, though the capture goes on."""
    piece = bytes(60_000)
    waiting = [data(1 + len(piece) * number, piece) for number in range(80)]

    streams, anomalies = join_streams(segments(syn(), *waiting, data(0, b"!")))

    assert streams["event"].value_counts().to_dict() == {"data": 80, "start": 1, "gap": 1}
    assert anomalies["count"].tolist() == [1]


def test_reversed_octets_are_linear():
    """Thousands of one-octet segments in reverse cost no more than a few microseconds each."""
    count = 20_000
    rows = [data(number, b"x", captured_ns=count - number) for number in range(count)]
    table = segments(syn(captured_ns=0), *rows)

    started = perf_counter()
    streams, _ = join_streams(table)

    assert len(octets_of(streams)) == count
    assert perf_counter() - started < 5


@st.composite
def shuffled(draw):
    """What a speaker wrote, and segments that cover it: cut anywhere, repeated, overlapping, in any order."""
    written = draw(st.binary(min_size=1, max_size=60))
    cuts = sorted(draw(st.sets(st.integers(1, len(written)), max_size=8)) | {0, len(written)})
    pieces = list(pairwise(cuts))
    place = st.integers(0, len(written))
    pieces += [tuple(sorted(pair)) for pair in draw(st.lists(st.tuples(place, place), max_size=5))]
    return written, draw(st.permutations(pieces)), draw(st.integers(0, 2**32 - 1))


@settings(max_examples=40, deadline=None)
@given(shuffled())
def test_any_order(case):
    """However segments are cut, repeated and reordered, the octets are those written, and time never runs back."""
    written, pieces, isn = case
    rows = [{"sequence": (isn + 1 + start) % 2**32, "payload": written[start:stop]} for start, stop in pieces]

    streams, anomalies = join_streams(segments(syn(isn), *rows))

    assert octets_of(streams) == written
    assert streams["captured_ns"].is_monotonic_increasing
    assert anomalies.empty


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 7), st.binary(max_size=9), st.integers(0, 20)), max_size=12
    )
)
def test_any_segments(rows):
    """No sequence of segments, however absurd, raises, and no two rows share their key."""
    table = segments(
        *(
            {"sequence": sequence, "flags": flags, "payload": payload, "payload_bytes": len(payload) + cut}
            for sequence, flags, payload, cut in rows
        )
    )

    streams, _ = join_streams(table)

    assert not streams.duplicated(["stream_id", "frame_id", "sequence"]).any()
    assert len(octets_of(streams)) <= sum(len(payload) for _, _, payload, _ in rows)


def test_nothing():
    """No segments are no streams."""
    streams, anomalies = join_streams(segments())

    assert streams.empty
    assert anomalies.empty


@pytest.mark.parametrize("order", [1, -1])
def test_stream_numbers_do_not_depend_on_the_order_of_rows(order):
    """Streams are numbered by first sight, whatever the order of the captures."""
    rows = [data(0, b"abc", host="h", captured_ns=10, sender_port=4), data(0, b"x", host="h", captured_ns=9)]

    streams, _ = join_streams(segments(*rows[::order]))

    assert streams["sender_port"].tolist() == [40000, 40000, 4, 4]
