"""Tables of what the clocks of two hosts say about each other."""

from evpn_pcap.columns.kinds import COUNT, FLAG, MAYBE_SPAN, MAYBE_TIME, RATIO, SPAN, TEXT, TIME, WORD
from evpn_pcap.table import Column, Table

# fmt: off
FIRST_HOST = Column("first_host", WORD, "one host, whose clock the times are of")
SECOND_HOST = Column("second_host", WORD, "the other host; offsets are its clock minus the first host's")

CLOCK_PAIRS = Table(
    "CLOCK_PAIRS",
    "one row per two hosts that saw frames in common whose direction is known",
    (
        FIRST_HOST,
        SECOND_HOST,
        Column("there_packet_count", COUNT, "matched frames that passed the first host first: each bounds the offset from above"),
        Column("back_packet_count", COUNT, "matched frames that passed the second host first: each bounds the offset from below"),
        Column("mismatch_count", COUNT, "matched frames left out because others show them to be impossible"),
        Column("first_ns", TIME, "first matched frame"),
        Column("last_ns", TIME, "last matched frame"),
        Column("at_ns", TIME, "the middle between both, which the following figures are of"),
        Column("offset_ns", MAYBE_SPAN, "the offset by the fit; missing where frames went one way only"),
        Column("lower_ns", MAYBE_SPAN, "least offset that the frames allow"),
        Column("upper_ns", MAYBE_SPAN, "greatest offset that the frames allow"),
        Column("margin_ns", MAYBE_SPAN, "half of what lies between both bounds, typically"),
        Column("drift_ppm", RATIO, "by how much the second clock is faster, on average; missing where bounds leave it open"),
        Column("step_count", COUNT, "places where one of the clocks was set"),
        Column("slew_count", COUNT, "places where the offset moved faster than the clocks usually part"),
        Column("flags", TEXT, "what does not hold: step, step-or-slew, slew, silence, mismatches, contradiction, few, one-way"),
        Column("is_contradicted", FLAG, "other pairs show its bounds to be wrong somewhere"),
    ),
    ("first_host", "second_host"),
)

CLOCK_TRACES = Table(
    "CLOCK_TRACES",
    "one row per matched frame (of many, some), point of the fit, or break of two hosts: what `plot clocks` draws",
    (
        FIRST_HOST,
        SECOND_HOST,
        Column("kind", WORD, "there | back (frames) | course (the fit and its bounds) | step | slew | silence"),
        Column("at_ns", TIME, "when, by the first host's clock"),
        Column("until_ns", MAYBE_TIME, "of steps, slews and silences, their end"),
        Column("offset_ns", SPAN, "the difference of the stamps; the fit; or by how much the offset moved"),
        Column("lower_ns", MAYBE_SPAN, "of the course, its lower bound"),
        Column("upper_ns", MAYBE_SPAN, "of the course, its upper bound"),
    ),
    ("first_host", "second_host", "kind", "at_ns"),
)
# fmt: on
