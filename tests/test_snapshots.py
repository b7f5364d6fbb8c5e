"""Prints of FRR's, ip's and bridge's tables become SNAPSHOTS, and fill in what no UPDATE tells.

tests/prints holds what one hypervisor of a real fabric printed at one moment (FRR 8.4.4, iproute2 6.1), both ways.
"""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap import columns
from evpn_pcap.errors import OptionError
from evpn_pcap.model import FOREVER, Options
from evpn_pcap.routes import route_intervals, routes_at, with_agreement, with_causes
from evpn_pcap.routes.refusals import refused_times
from evpn_pcap.rules import load_rules
from evpn_pcap.sources import with_fabric
from evpn_pcap.sources.snapshots import read_snapshots
from tests.bgp_octets import ALICE, BOB
from tests.by_hand import tables
from tests.conftest import SHARED
from tests.test_routes import ROUTE, SECOND, TOLD, T, advertise, event, rows_of, updates, withdraw

PRINTS = Path(__file__).parent / "prints"
KINDS = {  # file name -> form, entries, and the columns that both ways of printing show
    "bgp-evpn-route": ("routes", 12, ["rd", "route_type", "ethernet_tag", "mac", "ip", "next_hop", "route_targets"]),
    "bgp-type2": ("routes", 8, ["rd", "mac", "ip", "router_mac", "encapsulation", "is_best", "is_local"]),
    "evpn-arp-cache": ("arp-cache", 6, ["vni", "ip", "mac", "state", "is_local", "vtep_ip", "mobility_sequence"]),
    "evpn-mac": ("mac-table", 2, ["vni", "mac", "is_local", "vtep_ip", "device", "mobility_sequence"]),
    "ip-neigh": ("neighbours", 11, ["ip", "device", "mac", "state", "flags"]),
    "bridge-fdb": ("fdb", 34, ["mac", "device", "master", "vlan_id", "vtep_ip", "flags", "state"]),
    "bridge-link": ("links", 3, ["device", "master", "state", "neigh_suppress"]),
    "ip-addr": ("addresses", 14, ["device", "ip", "mac"]),
}


def read(*arguments):
    """Return SNAPSHOTS of some arguments; nothing in them was left unread."""
    found, anomalies, failures = read_snapshots(Options(snapshots=tuple(str(one) for one in arguments)))
    assert (len(anomalies), failures) == (0, ())
    return found


def plain(table, names):
    """Return the values of some columns, missing ones as None, in order."""
    return sorted([tuple(None if pd.isna(one) else one for one in row) for row in table[names].to_numpy()], key=str)


@pytest.mark.parametrize(("kind", "facts"), KINDS.items())
def test_text_and_json_say_the_same(kind, facts):
    """What a table prints for people and what it prints as JSON are the same entries, every one of them."""
    form, count, names = facts
    (text,), (json,) = PRINTS.glob(f"*-{kind}.txt"), PRINTS.glob(f"*-{kind}.json")

    told, same = read(text), read(json)

    assert (set(told["form"]), len(told)) == ({form}, count)
    assert plain(told, names) == plain(same, names)
    assert told["is_whole"].all()
    assert same["is_whole"].all()


def test_values_of_prints():
    """Addresses, states and switches arrive as printed: picked by hand from the prints."""
    found = read(PRINTS)
    remote = found[(found["mac"] == 0xBC2411000002) & (found["ip"] == "10.2.1.12")]

    assert set(found["host"]) == {"pve1"}
    assert set(found["captured_ns"]) == {1795391983073341164}
    assert set(remote.loc[remote["form"] == "routes", "route_targets"]) == {"65001:100001 65001:5001"}
    assert set(remote.loc[remote["form"] == "neighbours", "flags"]) == {"extern_learn proto zebra"}
    assert set(remote["vtep_ip"].dropna()) == {BOB}
    assert plain(found[found["form"] == "links"].drop_duplicates("device"), ["device", "neigh_suppress"]) == [
        ("tap503i1", False), ("vrfvx_EZone1", True), ("vxlan_EVPN1", True),
    ]  # fmt: skip


@pytest.mark.corpus
def test_pasted_terminal():
    """What was pasted from terminals is read command by command, for the host of each prompt, blanks lost or not."""
    found = read(SHARED / "transcripts")
    routes = found[found["form"] == "routes"]
    vm2 = routes[(routes["mac"] == 0xBC2411000002) & (routes["ip"] == "10.2.1.12")]

    assert routes.groupby("name").size().to_dict() == {
        "01-pve1-routes-vm1-connected.txt": 2, "02-pve1-routes-after-disable.txt": 1,
        "03-pve1-routes-both-vms.txt": 4, "06-pve1-routes-after-gateway-ping.txt": 4,
    }  # fmt: skip
    assert (set(routes["host"]), set(routes["is_whole"])) == ({"pve1"}, {True})
    assert vm2[["next_hop", "route_targets", "router_mac", "is_local"]].to_numpy().tolist() == [
        [BOB, "65001:100001 65001:5001", 0xAECBCC0AD0FD, False]
    ]
    assert found.loc[found["form"] == "fdb", "is_whole"].tolist() == [False] * 4  # it went through grep


@pytest.mark.parametrize(
    ("command", "is_whole"),
    [
        ("ip neigh", True),
        ("ip neigh show vrf vrf_EZone1", True),
        ("ip neigh show dev EVPN1", False),
        ("ip neigh | grep 10.2", False),
    ],
)
def test_a_narrowed_print_is_not_whole(command, is_whole, tmp_path):
    """A print is the whole table only where its command does not leave entries out."""
    (tmp_path / "pve1.txt").write_text(f"root@pve9:~# {command}\n10.2.1.12 dev EVPN1 FAILED\n")

    found = read(tmp_path / "pve1.txt")

    assert found[["host", "state", "is_whole"]].to_numpy().tolist() == [["pve9", "FAILED", is_whole]]


def test_a_cut_print_is_not_whole(tmp_path):
    """A table of routes that shows fewer than it says, or no last line, is not whole."""
    (whole,) = PRINTS.glob("*-bgp-type2.txt")
    lines = whole.read_text().splitlines()
    (tmp_path / "one-route.txt").write_text("\n".join(lines[:-5] + lines[-2:]))
    (tmp_path / "two-route.txt").write_text("\n".join(lines[:-1]))

    found = read(tmp_path)

    assert found.groupby("name")["is_whole"].first().tolist() == [False, False]


@pytest.mark.parametrize("name", ["pve1-ip-neigh.txt", "pve1-bridge-fdb.json", "pve1-bgp-evpn-route.txt"])
def test_an_empty_print(name, tmp_path):
    """A table without entries is told by its file's name, and is one row without an entry."""
    (tmp_path / name).write_text("[]" if name.endswith("json") else "\n")

    found = read(tmp_path / name)

    assert found[["host", "entry"]].to_numpy().tolist() == [["pve1", -1]]


@pytest.mark.parametrize(
    ("label", "name", "host", "captured_ns"),
    [
        ("", "pve1@1795391983073341164-ip-neigh.txt", "pve1", 1795391983073341164),
        ("", "pve1@1795391983.5-ip-neigh.txt", "pve1", 1795391983500000000),
        ("", "pve1@2026-11-23T00:00:01Z-ip-neigh.txt", "pve1", 1795392001000000000),
        ("", "pve1-ip-neigh.txt", "pve1", 7_000_000_000),
        ("leaf7=", "pve1-ip-neigh.txt", "leaf7", 7_000_000_000),
        ("leaf7@1970-01-01T00:00:09Z=", "pve1@1795391983.5-ip-neigh.txt", "leaf7", 9_000_000_000),
    ],
)
def test_whose_and_when(label, name, host, captured_ns, tmp_path):
    """Host and time come from the label, else from the file name; the time at last from the file's change."""
    (tmp_path / name).write_text("10.2.1.12 dev EVPN1 FAILED\n")
    os.utime(tmp_path / name, ns=(1, 7_000_000_000))

    found = read(f"{label}{tmp_path / name}")

    assert found[["host", "captured_ns"]].to_numpy().tolist() == [[host, captured_ns]]


@pytest.mark.parametrize("argument", ["nowhere", "pve1@noon={}", "@5={}", "={}", "pve1@={}"])
def test_wrong_arguments(argument, tmp_path):
    """An argument that names nothing, or a time that is none, is an error that says so."""
    (tmp_path / "neigh.txt").write_text("10.2.1.12 dev EVPN1 FAILED\n")

    with pytest.raises(OptionError, match="--snapshot"):
        read_snapshots(Options(snapshots=(argument.format(tmp_path / "neigh.txt"),)))


def test_what_is_no_print_is_a_failure(tmp_path):
    """A file that was named and holds no print is reported; in a folder it is passed over."""
    (tmp_path / "pve1-routes.txt").write_text("hello\n")

    _, _, named = read_snapshots(Options(snapshots=(str(tmp_path / "pve1-routes.txt"),)))
    _, _, beside = read_snapshots(Options(snapshots=(str(tmp_path),)))

    assert [name for name, _ in named] == ["pve1-routes.txt"]
    assert beside == ()


def test_unread_lines_are_counted(tmp_path):
    """A line of a print that cannot be understood is an anomaly, and the others are read."""
    (tmp_path / "pve1-ip-neigh.txt").write_text("10.2.1.12 dev EVPN1 FAILED\nwhat is this\n")

    found, anomalies, _ = read_snapshots(Options(snapshots=(str(tmp_path / "pve1-ip-neigh.txt"),)))

    assert len(found) == 1
    assert not found["is_whole"].any()
    assert anomalies["detail"].tolist() == ["pve1-ip-neigh.txt: what is this"]


def test_fabric_file_names_prints(tmp_path):
    """`snapshots` of the fabric file are paths beside it, labelled or not."""
    (tmp_path / "fabric.toml").write_text('snapshots = ["prints", "pve1@5=a.txt"]\n')

    options = with_fabric(Options(snapshots=("x",)), tmp_path / "fabric.toml")

    assert options.snapshots == ("x", f"{tmp_path}/prints", f"pve1@5={tmp_path}/a.txt")


WHOLE = [file.read_bytes() for file in sorted(PRINTS.iterdir())]
mutations = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 40), st.binary(max_size=20)), max_size=6)
lines = st.lists(
    st.sampled_from(
        [
            *("Route Distinguisher: 1:2", "*> [2]:[0]:[48]:[bc:24:11:00:00:01]", "*>i[2]:[0]:[48]:[x]", "*>", "..."),
            *("VNI 99999999 #ARP 1", "VNI 5 #MACs 1", "1.2.3.4 local active 00:11:22:33:44:55 9/9", "x local y"),
            *("1.2.3.4 dev x lladdr y STALE", "::1 dev x FAILED", "00:11:22:33:44:55 dev a vlan 9999 dst b self"),
            *("1: a: <UP> mtu 5", "neigh_suppress on", "inet 10.0.0.300/8", "link/ether zz", "root@a:~# ip neigh"),
            *("RT:1:2 ET:99999999 MM:99999999999, sticky MAC Rmac:zz", "Displayed 5 prefixes (5 paths)"),
            *("pve1# show bgp evpn", "root@a:~# bridge -d link", "No EVPN prefixes exist"),
        ]
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(WHOLE), mutations, lines, st.sampled_from(["evpn-route", "ip-neigh", "fdb", "other"]))
def test_no_text_breaks_the_readers(tmp_path_factory, octets, edits, told, name):
    """Whatever a file holds, it becomes rows, anomalies or a failure, and never an exception."""
    changed = bytearray(octets)
    for at, size, new in edits:
        place = at % (len(changed) + 1)
        changed[place : place + size] = new
    folder = tmp_path_factory.mktemp("prints")
    (folder / f"pve1-{name}.txt").write_bytes(bytes(changed) + "\n".join(["", *told]).encode())

    found, anomalies, failures = read_snapshots(Options(snapshots=(str(folder / f"pve1-{name}.txt"),)))

    assert len(found) + len(anomalies) + len(failures) > 0


def printed(*rows, whole=True):
    """Return SNAPSHOTS of ROUTE as BOB's prints show it: (time, is it there), each print the whole table."""
    told = []
    for number, (time_ns, is_there) in enumerate(rows):
        common = {"snapshot_id": number, "host": "bob", "form": "routes", "is_whole": whole, "speaker_ip": BOB}
        route = {**ROUTE, **TOLD, "is_local": False, "entry": 0} if is_there else {"entry": -1}
        told.append(common | route | {"captured_ns": time_ns})
    return rows_of(columns.SNAPSHOTS, told).assign(
        time_ns=pd.array([row[0] for row in rows], dtype="int64"), margin_ns=pd.array([0] * len(rows), dtype="int64")
    )


def test_a_print_tells_what_was_announced_before():
    """A route of a print, of a session that was up before, was in force from the session's first sight on."""
    told = updates(event(T, "preexisting"), withdraw(T + 9 * SECOND))

    routes, sessions = route_intervals(told, printed((T + 5 * SECOND, True)))
    at_bob = routes[routes["receiver_ip"] == BOB]

    assert at_bob[["advertised_ns", "withdrawn_ns", "is_preexisting", "next_hop", "frame_ids"]].to_numpy().tolist() == [
        [T, T + 9 * SECOND, True, ALICE, (2,)]
    ]
    assert sessions["complete_ns"].tolist() == [T]


@pytest.mark.parametrize(
    "seen",
    [
        [event(T, "preexisting"), advertise(T + SECOND), withdraw(T + 2 * SECOND)],
        [event(T, "start"), event(T, "open")],
        [event(T + 100 * SECOND, "preexisting")],
    ],
)
def test_a_print_does_not_overrule_frames(seen):
    """Where UPDATEs tell of the route earlier, or the session begins in the capture or long after, nothing is added."""
    routes, _ = route_intervals(updates(*seen), printed((T + 5 * SECOND, True)))

    assert routes["frame_ids"].map(bool).all()


def test_prints_alone():
    """Without sessions a route is in force from between two prints until between two others, with that much margin."""
    prints = printed((T, False), (T + 10 * SECOND, True), (T + 20 * SECOND, True), (T + 30 * SECOND, False))

    routes, sessions = route_intervals(updates(), prints)

    names = ["advertised_ns", "margin_ns", "withdrawn_ns", "withdraw_margin_ns"]
    assert routes.loc[routes["receiver_ip"] == BOB, names].to_numpy().tolist() == [
        [T + 5 * SECOND, 5 * SECOND, T + 25 * SECOND, 5 * SECOND]
    ]  # fmt: skip
    assert not routes["is_preexisting"].any()
    assert sessions.empty


def test_a_print_that_is_not_whole_withdraws_nothing():
    """What a part of a table does not show may be in the rest of it."""
    routes, _ = route_intervals(updates(), printed((T, True), (T + 10 * SECOND, False), whole=False))

    assert routes.loc[routes["receiver_ip"] == BOB, "withdrawn_ns"].tolist() == [FOREVER]


def captured(last_ns):
    """Return POINTS: BOB's underlay, captured until a moment."""
    point = {"host": "bob", "role": "underlay", "capture_ids": (0,), "last_ns": last_ns}
    return rows_of(columns.POINTS, [point]).assign(last_time_ns=last_ns)


START = [event(1, "start"), event(2, "open"), event(3, "end-of-rib")]


@pytest.mark.parametrize(
    ("seen", "prints", "words"),
    [
        ([*START, advertise(T)], (T + 5 * SECOND, True), ["agrees"]),
        ([*START, advertise(T + SECOND)], (T, True), ["agrees"]),
        ([*START, advertise(T), withdraw(T + 2 * SECOND)], (T + 5 * SECOND, True), ["contradicts"]),
        ([*START], (T + 5 * SECOND, True), ["contradicts"]),
        ([event(1, "preexisting")], (T + 5 * SECOND, True), [None]),
        ([*START, advertise(T)], (T + 5 * SECOND, False), [None, "absent"]),
        ([*START, advertise(T)], (T + SECOND // 2, False), [None]),
    ],
)
def test_prints_against_packets(seen, prints, words):
    """A print agrees with the UPDATEs, contradicts them, or lacks what they have; near a change nothing is said."""
    table = printed(prints)
    routes, sessions = route_intervals(updates(*seen), table)

    found = with_agreement(table, routes, sessions, captured(T + 9 * SECOND))

    assert [None if pd.isna(one) else one for one in found["agreement"]] == words


@pytest.mark.parametrize(("seen", "is_there"), [([*START], True), ([*START, advertise(T)], False)])
def test_nothing_contradicts_after_the_capture(seen, is_there):
    """Where the capture ends before the print, a change may have been missed: no contradiction is claimed."""
    table = printed((T + 5 * SECOND, is_there))
    routes, sessions = route_intervals(updates(*seen), table)

    found = with_agreement(table, routes, sessions, captured(T + 4 * SECOND))

    assert found["agreement"].isna().all()


def test_a_contradiction_is_a_finding():
    """A print that lacks a route in force is found, with the frames that told it."""
    table = printed((T + 5 * SECOND, False))
    routes, sessions = route_intervals(updates(*START, advertise(T)), table)
    rule = next(rule for rule in load_rules() if rule.name == "snapshot-contradicts")

    found = rule.find(
        tables(routes=routes, snapshots=with_agreement(table, routes, sessions, captured(T + 9 * SECOND)))
    )

    assert found[["vni", "subject", "frame_ids"]].to_numpy().tolist() == [
        [5001, f"{BOB} bc:24:11:00:00:01 10.2.1.11", (4,)]
    ]


OTHER = {"mac": 0xBC2411000002, "ip": "10.2.1.12"}  # a route that every print shows


def shows(*prints):
    """Return SNAPSHOTS of BOB's whole table: (time, the routes that each shows)."""
    told = []
    for number, (time_ns, routes) in enumerate(prints):
        common = {"snapshot_id": number, "host": "bob", "form": "routes", "is_whole": True, "speaker_ip": BOB}
        common |= {"captured_ns": time_ns, "is_local": False}
        told += [common | ROUTE | TOLD | route | {"entry": entry} for entry, route in enumerate(routes)]
    return rows_of(columns.SNAPSHOTS, told).assign(
        time_ns=pd.array([row["captured_ns"] for row in told], dtype="int64"), margin_ns=0
    )


def refused(seen, prints):
    """Return when BOB refused ROUTE by UPDATES and prints, per interval."""
    routes, sessions = route_intervals(updates(*START, *seen), prints)
    told = with_agreement(prints, routes, sessions, captured(T + 1000 * SECOND))
    at_bob = routes[(routes["receiver_ip"] == BOB) & (routes["sender_ip"] == ALICE) & (routes["mac"] == ROUTE["mac"])]
    return refused_times(routes, told).loc[at_bob.index].tolist()


BEGUN = [advertise(T, **OTHER), advertise(T + SECOND)]
SLACK = SECOND  # the margin of a print without a clock error


def test_a_print_proves_a_refusal():
    """A print of the whole table that lacks a route proves it refused from then on; before, that is in doubt."""
    found = refused(BEGUN, shows((T + 10 * SECOND, [OTHER])))

    assert found == [(T + SECOND, T + 10 * SECOND + SLACK, FOREVER)]


def test_refused_until_told_anew():
    """When a route is told anew a policy decides anew: from then on it is in doubt, until it is withdrawn."""
    again, gone = T + 20 * SECOND, T + 30 * SECOND

    found = refused([*BEGUN, advertise(again), withdraw(gone)], shows((T + 10 * SECOND, [OTHER])))

    assert found == [(T + SECOND, T + 10 * SECOND + SLACK, again, again, gone, gone)]


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ([], []),  # nothing that BOB must have
        ([], [OTHER, {"mac": 7, "ip": None}]),  # a route that nobody told him
        ([advertise(T, rd="192.168.16.4:2", next_hop=BOB, sender_ip=BOB, receiver_ip=ALICE)], [OTHER]),  # not his own
    ],
)
def test_a_print_of_another_time_proves_no_refusal(seen, shown):
    """A print that lacks what the receiver itself announces, or shows what it cannot have, is not believed."""
    assert refused([*seen, *BEGUN], shows((T + 10 * SECOND, shown), (T + 500 * SECOND, [OTHER, {}]))) == [()]


kinds = st.lists(st.sampled_from(["told", "lacks", "shows"]), max_size=7)


@settings(max_examples=60, deadline=None)
@given(kinds)
def test_refused_moment_by_moment(kinds):
    """Surely refused: since a print that lacks it, not told since, nor shown next without being told. Else in doubt
    beside such a print, and never where prints on both sides show it."""
    events = [(T + number * 10 * SECOND, kind) for number, kind in enumerate(kinds, 1)]
    again = [advertise(time_ns) for time_ns, kind in events if kind == "told"]
    prints = [(time_ns, [OTHER] + [{}] * (kind == "shows")) for time_ns, kind in events if kind != "told"]

    (threes,) = refused([*BEGUN, *again], shows(*prints))

    for place in range(len(kinds) + 1):
        moment = T + place * 10 * SECOND + 5 * SECOND
        before = next((kind for kind in reversed(kinds[:place]) if kind != "told"), None)
        after = next((kind for kind in kinds[place:] if kind != "told"), None)
        told_since = place > 0 and kinds[place - 1] == "told"
        told_next = place < len(kinds) and kinds[place] == "told"
        is_sure = before == "lacks" and not told_since and (told_next or after != "shows")
        is_open = "lacks" in (before, after) and not is_sure
        parts = list(zip(threes[::3], threes[1::3], threes[2::3], strict=True))
        assert any(sure <= moment < until for _, sure, until in parts) == is_sure
        assert any(since <= moment < sure for since, sure, _ in parts) == is_open


def test_a_refused_route_is_not_in_the_table():
    """What the receiver refuses is in no table of its own, and outranks nothing there; in doubt it is neither."""
    routes, sessions = route_intervals(updates(*START, *BEGUN), prints := shows((T + 10 * SECOND, [OTHER])))
    told = with_agreement(prints, routes, sessions, captured(T + 1000 * SECOND))
    nothing = [table.empty().assign(time_ns=0, margin_ns=0) for table in (columns.EVENTS, columns.ANCHORS)]

    caused = with_causes(routes, sessions, *nothing, captured(T), told)
    at_bob = routes_at(caused[caused["receiver_ip"] == BOB], T + 12 * SECOND)

    assert at_bob["ip"].tolist() == [OTHER["ip"]]


def test_a_multicast_route_can_be_refused():
    """A whole print that shows other multicast routes and lacks one is one finding, and a refusal of that route."""
    imet = {"route_type": 3, "mac": None, "vni": 5001}
    one, other = ({**imet, "ip": ip, "rd": f"{ip}:2"} for ip in (ALICE, "192.168.16.9"))
    prints = shows((T + 10 * SECOND, [other]))
    routes, sessions = route_intervals(updates(*START, advertise(T, **one), advertise(T, **other)), prints)
    told = with_agreement(prints, routes, sessions, captured(T + 1000 * SECOND))
    rule = next(rule for rule in load_rules() if rule.name == "snapshot-contradicts")

    found = rule.find(tables(routes=routes, snapshots=told))
    spans = refused_times(routes, told)[(routes["receiver_ip"] == BOB) & (routes["ip"] == ALICE)]

    assert found["subject"].tolist() == [f"{BOB} multicast of {ALICE}"]
    assert spans.tolist() == [(T, T + 10 * SECOND + SLACK, FOREVER)]
