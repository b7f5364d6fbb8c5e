"""Why each request was flooded, suppressed or learned: in the kernel's order, as far as captures and prints tell."""

import struct

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap.model import FOREVER, Options
from evpn_pcap.resolutions.context import are_tables_whole
from evpn_pcap.resolutions.details import reason_details
from tests.conftest import PROJECT, SHARED

SAMPLES = PROJECT / "samples"


def rows_of(paths, *snapshots):
    """Return the rows that the headline counts, in order, with prints given as label and path or text."""
    told = evpn_pcap.analyze(paths, Options(snapshots=tuple(str(one) for one in snapshots))).tables.resolutions
    return told[told["kind"] == "resolution"].reset_index(drop=True)


def founding(name):
    return [SAMPLES / f"founding-case-{name}" / f"vm{number}.pcap" for number in (1, 2)]


BOTH = SHARED / "transcripts" / "03-pve1-routes-both-vms.txt"
LATER = SHARED / "transcripts" / "06-pve1-routes-after-gateway-ping.txt"


FLOODED_SCENE = ("flooded", "no-neighbour", "not in force", "never advertised: its VTEP announces the MAC alone")
ND_SCENE = ("suppressed", "proxied", "in force", "by the MAC/IP route in force since before")
LEARNED_SCENE = ("suppressed", "proxied", "in force", "learned between two prints, as an exchange with the gateway")


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("name", "prints", "expected"),
    [
        ("arp-flooded", [f"pve1@2026-01-15T14:45:00Z={BOTH}"], FLOODED_SCENE),
        ("nd", [f"pve1@2026-01-15T13:13:00Z={BOTH}"], ND_SCENE),
        (
            "arp-suppressed",
            [f"pve1@2026-01-15T14:45:00Z={BOTH}", f"pve1@2026-01-15T15:13:00Z={LATER}"],
            LEARNED_SCENE,
        ),
    ],
)
def test_founding_case(name, prints, expected):
    """With the prints of that day each scene is explained as its README does, and says what it rests on."""
    *words, detail = expected
    first = rows_of(founding(name), *prints).iloc[0]

    assert first[["outcome", "reason", "route_state"]].tolist() == words
    assert detail in first["reason_detail"]
    assert any("the routes of pve1 did not change" in one for one in first["assumptions"])


@pytest.mark.corpus
def test_founding_case_withdrawn_with_ipv6():
    """Between the first two prints the MAC+IPv6 route went, because IPv6 was switched off; the MAC route stayed."""
    folder = SHARED / "transcripts"
    names = ("01-pve1-routes-vm1-connected", "02-pve1-disable-ipv6", "02-pve1-routes-after-disable")
    times = dict(zip(names, ("12:52:00", "12:53:06", "12:54:00"), strict=True))
    prints = tuple(f"pve1@2026-01-15T{at}Z={folder / name}.txt" for name, at in times.items())

    routes = evpn_pcap.analyze(founding("nd"), Options(snapshots=prints)).tables.routes
    own = routes[routes["receiver_ip"] == routes["sender_ip"]].sort_values("ip", na_position="first")

    assert own["withdrawn_ns"].eq(FOREVER).tolist() == [True, False]
    assert own["withdraw_reason"].tolist()[1] == "family disabled"


FLOODED = SAMPLES / "arp-flooded"
NEIGHBOUR = "10.2.1.12 dev EVPN1 lladdr bc:24:11:00:00:02 extern_learn {state}\n"
OTHER = "10.2.1.99 dev EVPN1 lladdr bc:24:11:00:00:99 STALE\n"
FDB = "bc:24:11:00:00:02 dev vxlan_EVPN1 dst 192.168.16.4 self extern_learn\n"
OTHER_FDB = "bc:24:11:00:00:99 dev vxlan_EVPN1 dst 192.168.16.4 self extern_learn\n"
PORT = "4: vxlan_EVPN1: <UP> mtu 1500 master EVPN1 state forwarding priority 32 cost 100\n  neigh_suppress {is_on}\n"


@pytest.mark.parametrize(
    ("neighbours", "fdb", "suppression", "reason", "detail"),
    [
        (OTHER, FDB, "on", "no-neighbour", "never advertised"),
        (NEIGHBOUR.format(state="FAILED"), FDB, "on", "neighbour-invalid", "the entry on pve1 is FAILED"),
        (NEIGHBOUR.format(state="INCOMPLETE"), FDB, "on", "neighbour-invalid", "the entry on pve1 is INCOMPLETE"),
        (NEIGHBOUR.format(state="NOARP"), OTHER_FDB, "on", "no-fdb", "not in the FDB of pve1"),
        (NEIGHBOUR.format(state="NOARP"), FDB, "off", "suppression-off", "neigh_suppress is off"),
        (OTHER, FDB, "off", "suppression-off", "neigh_suppress is off"),
        (NEIGHBOUR.format(state="NOARP"), FDB, "on", None, None),
    ],
)
def test_kernels_order(neighbours, fdb, suppression, reason, detail, tmp_path):
    """Prints of the ingress VTEP's kernel just before a request give the reason, in the order in which it decides."""
    asked = rows_of([FLOODED]).query("requester_ip == '10.2.1.11'").iloc[0]
    told = {"ip-neigh": neighbours, "bridge-fdb": fdb, "bridge-link": PORT.format(is_on=suppression)}
    for name, text in told.items():
        (tmp_path / f"pve1@{asked['time_ns'] - 2_000_000_000}-{name}.txt").write_text(text)

    found = rows_of([FLOODED], tmp_path).query(f"id == {asked['id']}").iloc[0]

    assert (None if pd.isna(found["reason"]) else found["reason"]) == reason
    assert (detail in found["reason_detail"]) if detail else pd.isna(found["reason_detail"])
    assert pd.isna(found["reason_candidates"]) == (reason is not None)


@pytest.mark.parametrize("apart_ns", [-60_000_000_000, 60_000_000_000])
def test_prints_of_another_time_say_nothing(apart_ns, tmp_path):
    """A kernel's table a minute before or after a request tells nothing about it; what would decide is named."""
    asked = rows_of([FLOODED]).iloc[0]
    (tmp_path / f"pve1@{asked['time_ns'] + apart_ns}-ip-neigh.txt").write_text(OTHER)

    found = rows_of([FLOODED], tmp_path).iloc[0]

    assert pd.isna(found["reason"])
    assert "`ip neigh`" in found["reason_candidates"]


def test_reasons_tell_what_lies_behind_them():
    """An aged route, and what an exchange with the gateway taught, are told in words."""
    aged = rows_of([SAMPLES / "silent-host-aged"])
    taught = rows_of([SAMPLES / "gateway-primed"])

    assert aged.loc[aged["reason"] == "no-neighbour", "reason_detail"].tolist() == [
        "aged: withdrawn 4.0 s before, after 300 s of silence"
    ]
    learned = taught.loc[taught["reason"] == "gateway", "reason_detail"]
    assert len(learned) == 2
    assert learned.str.fullmatch(r"the VTEP then announced \S+, 5\d ms after the request: the exchange taught it").all()


@pytest.mark.parametrize(("silence_ns", "words"), [(300 * 10**9, ", after 300 s of silence"), (None, "")])
def test_an_aged_address_that_was_never_heard(silence_ns, words):
    """Of a machine that was silent since before the capture nobody knows how long it was."""
    analysis = evpn_pcap.analyze([SAMPLES / "silent-host-aged"])
    told = analysis.tables.routes
    is_aged = told["withdraw_reason"] == "aged"
    aged = told.assign(silence_ns=told["silence_ns"].mask(is_aged, silence_ns if silence_ns else pd.NA))
    asked = analysis.tables.resolutions.set_index("id").rename_axis("row_id")
    facts = {"printed_by": None, "suppression": None, "neighbour": None}

    found = reason_details(asked.assign(**facts), aged)

    assert [one for one in found if one and one.startswith("aged")] == [f"aged: withdrawn 4.0 s before{words}"]


def test_stale_routes_are_told():
    """What a VTEP answers while its peer restarts gracefully rests on a stale route; what is lost, is lost by then."""
    rows = rows_of([SAMPLES / "graceful-restart"])

    details = rows["reason_detail"].tolist()

    assert [index for index, one in enumerate(details) if "stale since its session was lost" in one] == [4, 5]
    assert [one.rpartition(" (")[2] for one in details[7:9]] == ["stale)", "session lost)"]


SCENARIOS = ("arp-flooded", "arp-learned-then-suppressed", "nd-linklocal-suppressed", "suppression-off")
BGP_MARKER = b"\xff" * 16
WITH_BGP = [
    folder.parent
    for folder in sorted(SAMPLES.glob("*/expected.json"))
    if any(BGP_MARKER in file.read_bytes() for file in folder.parent.glob("*.pcap"))
]
CUT = [
    *(pytest.param(SHARED / "captures" / name, 0.3, marks=pytest.mark.corpus) for name in SCENARIOS),
    *(pytest.param(SHARED / "captures" / name, 0.5, marks=pytest.mark.corpus) for name in SCENARIOS),
    *((folder, 0.5) for folder in WITH_BGP),
]


def records(file):
    """Yield time and octets of each record of a little-endian microsecond pcap."""
    octets, at = file.read_bytes(), 24
    while at + 16 <= len(octets):
        second, microsecond, size = struct.unpack_from("<III", octets, at)
        yield second * 1_000_000_000 + microsecond * 1_000, octets[at : at + 16 + size]
        at += 16 + size


@pytest.mark.parametrize(("folder", "share"), CUT, ids=lambda one: getattr(one, "name", one))
def test_captures_that_begin_later_claim_no_missing_route(folder, share, tmp_path):
    """With the start cut off, sessions were up before: without a print nobody can say that a route was not in force."""
    for file in folder.glob("*.pcap"):  # each by its own clock
        times = [time_ns for time_ns, _ in records(file)]
        begin_ns = min(times) + (max(times) - min(times)) * share
        kept = [octets for time_ns, octets in records(file) if time_ns >= begin_ns]
        (tmp_path / file.name).write_bytes(file.read_bytes()[:24] + b"".join(kept))

    rows = evpn_pcap.analyze([tmp_path]).tables.resolutions

    assert not rows["route_state"].eq("not in force").any()
    assert not rows["reason"].eq("no-neighbour").any()


WORKING = SAMPLES / "suppression-not-working"
ENTRY = "*>{how}[2]:[0]:[48]:[bc:24:11:00:00:0{vm}]{ip}\n    192.168.16.{vm}   {weight} i\n    ET:8 RT:65001:5001\n"
MULTICAST = "*>{how}[3]:[0]:[32]:[192.168.16.{vm}]\n    192.168.16.{vm}   {weight} i\n    ET:8 RT:65001:5001\n"


def printed_table(*vms):
    """Return pve1's table as FRR prints it: its own routes and those of the VTEPs of some machines."""
    text = ""
    for vm in (1, *vms):
        told = {"vm": vm, "how": " " if vm == 1 else "i", "weight": 32768 if vm == 1 else "100 0"}
        text += f"Route Distinguisher: 192.168.16.{vm}:2\n" + MULTICAST.format(**told)
        for ip in ("", f":[32]:[10.2.1.1{vm}]", f":[128]:[fe80::be24:11ff:fe00:{vm}]"):
            text += ENTRY.format(**told, ip=ip)
    count = 4 * (len(vms) + 1)
    begin, end = "BGP table version is 9, local router ID is 192.168.16.1\n", f"\nDisplayed {count} prefixes\n"
    return begin + text + end


@pytest.mark.parametrize(
    ("vms", "reasons"),
    [
        ((2, 3), {"10.2.1.12": "suppression-off", "10.2.1.13": "suppression-off"}),
        ((3,), {"10.2.1.12": "no-neighbour", "10.2.1.13": "suppression-off"}),
        ((), {"10.2.1.12": "suppression-off", "10.2.1.13": "suppression-off"}),
    ],
)
def test_a_route_that_the_ingress_vtep_refuses_is_not_in_force_there(vms, reasons, tmp_path):
    """What a VTEP was told and its own print lacks, a policy refuses; a print that has no other's route proves nothing.

    The last: without any route of the others it may be a print from before the sessions, wrongly named.
    """
    told = evpn_pcap.analyze([WORKING]).tables.updates
    advertised = told[(told["host"] == "pve1") & (told["action"] == "advertise")]
    name = f"pve1@{advertised['captured_ns'].max() + 2_500_000_000}-bgp-evpn-route.txt"
    (tmp_path / name).write_text(printed_table(*vms))

    rows = rows_of([WORKING], tmp_path).query("ingress_vtep == '192.168.16.1' and protocol == 'arp'")

    assert dict(zip(rows["target_ip"], rows["reason"], strict=True)) == reasons
    refused = rows.loc[rows["reason"] == "no-neighbour", ["route_state", "reason_detail"]]
    assert refused["route_state"].eq("not in force").all()
    assert refused["reason_detail"].str.contains("192.168.16.2 told it.*a policy refuses it there").all()


S = 1_000_000_000
WHOLE, LOST_OPEN = (0, S), (0, FOREVER)  # first message, complete


@pytest.mark.parametrize(
    ("seen", "is_whole"),
    [
        ({"b": [WHOLE], "c": [WHOLE]}, True),
        ({"b": [WHOLE], "c": [LOST_OPEN]}, False),
        ({"b": [WHOLE, (20 * S, 21 * S)], "c": [WHOLE]}, True),  # comes up again after the request
        ({"b": [WHOLE, (20 * S, FOREVER)], "c": [WHOLE]}, True),
        ({"b": [WHOLE, (9 * S, 11 * S)], "c": [WHOLE]}, False),  # its table had not ended
        ({"b": [LOST_OPEN, (5 * S, 6 * S)], "c": [WHOLE]}, True),  # what was told before is gone
        ({"b": [LOST_OPEN, (20 * S, 21 * S)], "c": [WHOLE]}, False),
        ({"b": [WHOLE], "c": [(20 * S, 21 * S)]}, False),  # was there another session before the capture?
        ({}, False),
    ],
)
def test_with_each_peer_the_last_session_before_a_request_counts(seen, is_whole):
    """A table is known whole where each peer's last session that had begun told a whole one before the request."""
    told = [("a", peer, *times) for peer, sessions in seen.items() for times in sessions]
    sessions = pd.DataFrame(told, columns=["receiver_ip", "sender_ip", "first_ns", "complete_ns"])
    sessions = sessions.astype({"first_ns": "int64", "complete_ns": "int64"}).assign(margin_ns=0, gap_count=0)
    times = {"time_ns": [10 * S], "last_request_ns": [10 * S], "margin_ns": [0]}
    rows = pd.DataFrame({"ingress_vtep": ["a"], **times}, index=pd.Index([7], name="row_id"))
    points = pd.DataFrame({"role": ["underlay"], "vtep_ip": ["a"], "first_time_ns": [0], "last_time_ns": [90 * S]})

    assert are_tables_whole(rows, sessions, points).tolist() == [is_whole]
