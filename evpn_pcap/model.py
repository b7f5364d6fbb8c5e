"""The values that travel beside the tables: options, captures, clock fits, rules, findings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `evpn-pcap --help` must not pay for numpy or pandas
    import numpy as np
    import pandas as pd

    from evpn_pcap.table import Columns

FOREVER = 2**63 - 1  # the end of an interval that is still open; never add to it
DEFAULT_VXLAN_PORTS = frozenset({4789, 8472})  # RFC 7348; the Linux kernel's default


class Kind(StrEnum):
    """Kinds of request, column `kind` of EVENTS and RESOLUTIONS."""

    RESOLUTION = "resolution"
    REFRESH = "refresh"
    PROBE = "probe"
    ANNOUNCEMENT = "announcement"


class Outcome(StrEnum):
    """What became of a request."""

    SUPPRESSED = "suppressed"
    FLOODED = "flooded"
    LEARNED = "learned"
    UNDECIDED = "undecided"


class AnsweredBy(StrEnum):
    """Who answered a request; decided by where the reply was first seen, not by its content."""

    PROXY = "proxy"  # the ingress VTEP, in the target's name
    GATEWAY = "gateway"  # a VTEP, for an address of its own
    TARGET = "target"  # the host that owns the address
    NONE = "none"  # nobody did, at a vantage point that would have seen it
    UNKNOWN = "unknown"


class RouteState(StrEnum):
    """The target's MAC/IP route at the ingress VTEP when the request came."""

    IN_FORCE = "in force"
    NOT_IN_FORCE = "not in force"
    TOO_CLOSE = "too close"
    UNKNOWN = "unknown"


class RouteEffect(StrEnum):
    """What the exchange made a VTEP announce."""

    ADVERTISED = "advertised"
    MOVED = "moved"
    REFRESHED = "refreshed"
    NONE = "none"
    UNKNOWN = "unknown"


class WithdrawReason(StrEnum):
    """Why a route is no longer in force, column `withdraw_reason` of ROUTES."""

    MOVED = "moved"  # another VTEP announced the address anew
    AGED = "aged"  # nothing was heard of it for silence_ns
    LINK_DOWN = "link down"  # the MAC went at once, with its addresses, although it had just been heard
    FAMILY_DISABLED = "family disabled"  # all addresses of IPv4 or IPv6 went at one instant, the MACs stayed
    SESSION_LOST = "session lost"  # the session that carried it ended
    STALE = "stale"  # kept while its speaker restarted, and not announced again
    REPLACED = "replaced"  # announced anew with other attributes
    UNKNOWN = "unknown"


class Aftermath(StrEnum):
    """What the resolved address was then used for."""

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    UNUSED = "unused"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a vantage point listens to."""

    VM = "vm"  # the NIC of a VM, seen from inside it
    TAP = "tap"  # the hypervisor's end of a VM's link
    BRIDGE = "bridge"  # the bridge device of a VNI
    VXLAN = "vxlan"  # the vxlan device: inner frames about to be, or just, encapsulated
    UNDERLAY = "underlay"  # the NIC that carries VXLAN
    ANY = "any"  # several interfaces in one file
    ACCESS = "access"  # a VM's link, at either end
    UNKNOWN = "unknown"


class Quality(StrEnum):
    """How far a host's clock fit can be trusted (after Trace Compass' SyncQuality)."""

    REFERENCE = "reference"  # the clock that all others are compared with
    ACCURATE = "accurate"  # matched packets in both directions, no contradiction
    APPROXIMATE = "approximate"  # both directions, but few matches or contradictions removed
    ONE_SIDED = "one-sided"  # matches in one direction only: a bound from one side, no offset
    UNALIGNABLE = "unalignable"  # nothing connects this host with the reference


class Severity(StrEnum):
    """How much a finding matters."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What the fabric file states about one host ([hosts.NAME])."""

    role: str | None = None  # "vm" | "hypervisor"
    vtep_ip: str | None = None
    behind: str | None = None  # the hypervisor host that a VM sits behind
    interfaces: Mapping[int, str] = field(default_factory=dict)  # index -> name in `-i any` files
    captures: tuple[str, ...] = ()  # globs of file names that belong to this host


@dataclass(frozen=True, slots=True)
class Options:
    """Everything a user can choose."""

    gateways: frozenset[str] = frozenset()  # addresses known to be the VTEPs' own
    vxlan_ports: frozenset[int] = DEFAULT_VXLAN_PORTS
    hosts: Mapping[str, HostFacts] = field(default_factory=dict)
    reference: str | None = None  # host whose clock is the common clock; None: chosen by accuracy
    vnis: frozenset[int] = frozenset()  # empty: all
    since_ns: int | None = None
    until_ns: int | None = None
    reader: str = "native"  # "native" | "tshark"
    snapshots: tuple[str, ...] = ()  # [HOST[@TIME]=]PATH of prints of the hosts' tables
    anchors_per_second_count: int = 2000  # bound on sampled ordinary frames per capture; 0: none


@dataclass(frozen=True, slots=True)
class Source:
    """One capture file as the user named it, before anything is read."""

    capture_id: int
    file: Path  # where to read; "-" is standard input
    name: str  # shortest unique name, for people and for frame references; never absolute
    host: str
    point: str  # "" where the file name says none
    interface_names: Mapping[int, str] = field(default_factory=dict)  # from the fabric file
    begin_bytes: int = 0  # a part of a large file: where its first record starts; 0: the file's first
    end_bytes: int | None = None  # and the one behind its last record; None: the file's end


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface that a capture file describes (pcap: exactly one)."""

    interface_index: int
    link_type: int
    name: str = ""
    description: str = ""
    snaplen_bytes: int = 0
    ticks_per_second: int = 1_000_000
    offset_s: int = 0
    dropped_count: int | None = None  # interface statistics block: isb_ifdrop + isb_osdrop
    started_ns: int | None = None  # isb_starttime
    ended_ns: int | None = None  # isb_endtime


@dataclass(frozen=True, slots=True)
class Note:
    """One anomaly of a file or a packet; becomes a row of ANOMALIES."""

    layer: str  # "pcap", "pcapng", "ethernet", "bgp" ...
    name: str  # short and stable: "cut-tail", "vxlan.truncated", "bgp.attr.flags"
    detail: str = ""
    frame_number: int | None = None  # 1-based, as Wireshark counts
    offset_bytes: int | None = None  # in the file


@dataclass(frozen=True, slots=True)
class Batch:
    """Some thousand records of one file, one element a record in the file's order."""

    octets: "np.ndarray"  # uint8; at the end 256 spare zero octets or more: no gather at a record's start leaves it
    start: "np.ndarray"  # int64, offset of the record's first octet in `octets`
    captured_bytes: "np.ndarray"  # int64
    wire_bytes: "np.ndarray"  # int64
    captured_ns: "np.ndarray"  # int64
    interface_index: "np.ndarray"  # int32, pcapng interface number over all sections; pcap: 0
    link_type: "np.ndarray"  # int32
    direction: "np.ndarray"  # int8: 0 unknown, 1 incoming, 2 outgoing (pcapng epb_flags)
    first_frame_number: int  # of element 0; the others follow without a gap


@dataclass(frozen=True, slots=True)
class FileEnd:
    """What is known once a file has been read to its end; the last value that a source yields."""

    file_type: str  # "pcap" | "pcapng"
    byte_count: int  # octets read from the file, decompressed
    is_truncated: bool
    interfaces: tuple[Interface, ...]
    notes: tuple[Note, ...] = ()
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture file, read and accounted for: packet_count = decoded_count + sum(skipped)."""

    capture_id: int
    name: str  # shortest unique name; `path` in JSON
    host: str
    point: str
    role: str
    file_type: str
    link_types: tuple[int, ...]
    packet_count: int
    byte_count: int
    decoded_count: int  # records whose every layer that we know was read
    skipped: Mapping[str, int]  # reason -> records; mutually exclusive
    first_ns: int | None
    last_ns: int | None
    is_truncated: bool
    dropped_count: int | None  # as the capturing program reported; None: not reported
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decoded:
    """What one capture became: plain columns, and on demand the DataFrames of them."""

    capture: Capture
    columns: "Mapping[str, Columns]"  # "interfaces", "packets", "anchors", "segments", "anomalies"

    @cached_property
    def interfaces(self) -> "pd.DataFrame":
        """INTERFACES."""
        return self.columns["interfaces"].frame()

    @cached_property
    def packets(self) -> "pd.DataFrame":
        """PACKETS."""
        return self.columns["packets"].frame()

    @cached_property
    def anchors(self) -> "pd.DataFrame":
        """ANCHORS."""
        return self.columns["anchors"].frame()

    @cached_property
    def segments(self) -> "pd.DataFrame":
        """SEGMENTS."""
        return self.columns["segments"].frame()

    @cached_property
    def anomalies(self) -> "pd.DataFrame":
        """ANOMALIES."""
        return self.columns["anomalies"].frame()


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A clock was set: between from_ns and to_ns (its own clock) it jumped by size_ns."""

    from_ns: int
    to_ns: int
    size_ns: int


@dataclass(frozen=True, slots=True)
class ClockKnot:
    """One point of a piecewise linear correction: clock(host) - clock(reference) at local_ns."""

    local_ns: int
    offset_ns: int
    margin_ns: int


@dataclass(frozen=True, slots=True)
class ClockFit:
    """One host's clock against the reference: time_ns = captured_ns - offset(captured_ns).

    `knots`: `on_common_clock` interpolates between them. `offset_ns`, `drift_ppm`, `margin_ns`: in the middle of the
    captures; null, and no knots, if "one-sided" or "unalignable". `flags` (clocks/curve.py): what does not hold; with
    any, not "accurate". `bracketed` (clocks/stretches.py): when frames bracket it closely; else margins extrapolate.
    """

    host: str
    reference: str
    quality: Quality
    anchor_ns: int | None  # local time that offset_ns belongs to
    offset_ns: int | None  # clock(host) - clock(reference)
    drift_ppm: float | None  # None too where the margins leave it open
    margin_ns: int | None
    matched_packet_count: int
    knots: tuple[ClockKnot, ...] = ()
    steps: tuple[ClockStep, ...] = ()
    flags: tuple[str, ...] = ()
    bracketed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Tables:
    """Every table of one analysis (columns/); some have time_ns and margin_ns on the common clock beside theirs."""

    interfaces: "pd.DataFrame"
    points: "pd.DataFrame"
    packets: "pd.DataFrame"
    anchors: "pd.DataFrame"
    events: "pd.DataFrame"
    updates: "pd.DataFrame"
    snapshots: "pd.DataFrame"
    routes: "pd.DataFrame"
    sessions: "pd.DataFrame"
    flows: "pd.DataFrame"
    resolutions: "pd.DataFrame"
    aftermaths: "pd.DataFrame"
    flood_costs: "pd.DataFrame"
    anomalies: "pd.DataFrame"
    clock_pairs: "pd.DataFrame"
    clock_traces: "pd.DataFrame"


@dataclass(frozen=True, slots=True)
class Rule:
    """One diagnosis: what it is called, and how FOUND, what varies between occurrences, is found in the tables."""

    code: str  # "EVP001": never changes meaning, never reused
    name: str  # slug of domain.md, section 5
    severity: Severity
    title: str
    cause: str
    advice: str
    rivals: str  # what else looks like this
    would_decide: str  # the capture that would decide between them
    find: Callable[[Tables], "pd.DataFrame"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence of one rule, with its evidence."""

    code: str
    name: str
    severity: Severity
    vni: int | None
    title: str
    cause: str
    advice: str
    rivals: str
    would_decide: str
    resolution_ids: tuple[int, ...]
    frame_ids: tuple[int, ...]
    margin_ns: int | None  # largest clock margin of the moments that it compares; None: it compares none
    fingerprint: str  # stable over runs and captures: from code, vni and subject


@dataclass(frozen=True, slots=True)
class Summary:
    """The figures that a report leads with and that --fail-on compares."""

    resolution_count: int
    suppressed: int
    flooded: int
    learned: int
    undecided: int
    suppression_ratio: float | None  # over kind = resolution: suppressed / (suppressed + flooded)
    fabric_copy_count: int
    flood_copy_count: int  # FLOOD_COSTS from here on: of requests of any kind
    flood_byte_count: int
    flood_share: float | None  # of the octets of the captured underlay; None: not captured
    savable_copy_count: int
    savable_byte_count: int
    unknown_unicast_copy_count: int
    unknown_unicast_byte_count: int


@dataclass(frozen=True, slots=True)
class Analysis:
    """What analyze() returns."""

    captures: tuple[Capture, ...]
    clocks: tuple[ClockFit, ...]
    tables: Tables
    findings: tuple[Finding, ...]
    summary: Summary
    failures: tuple[tuple[str, str], ...] = ()  # captures that could not be read: name, why
    options: Options = field(default_factory=Options)
