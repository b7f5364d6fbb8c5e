"""Updates become the intervals during which each route was in force at each speaker."""

import json
from collections import defaultdict
from functools import cache

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import evpn_pcap
from evpn_pcap import columns
from evpn_pcap.addresses import capture_of, mac_text
from evpn_pcap.model import FOREVER, Options
from evpn_pcap.pipeline import read_captures
from evpn_pcap.routes import route_intervals, routes_at, with_causes
from evpn_pcap.routes.preference import outranked_times
from tests.bgp_octets import ALICE, BOB, connection_table, decode_updates, join_streams

CAROL = "192.168.16.3"
BACK = {"sender_ip": BOB, "sender_port": 179, "receiver_ip": ALICE, "receiver_port": 40000}
ROUTE = {
    "route_type": 2, "rd": "192.168.16.1:2", "ethernet_tag": 0, "mac": 0xBC2411000001, "ip": "10.2.1.11",
    "esi": "00:00:00:00:00:00:00:00:00:00", "is_decoded": True,
}  # fmt: skip
TOLD = {"vni": 5001, "next_hop": ALICE, "route_targets": "65001:5001", "mobility_sequence": 0, "is_sticky": False}


def advertise(time_ns, **more):
    return {"time_ns": time_ns, "action": "advertise", **ROUTE, **TOLD, **more}


def withdraw(time_ns, **more):
    return {"time_ns": time_ns, "action": "withdraw", **ROUTE, "vni": 0, **more}


def event(time_ns, action, **more):
    return {"time_ns": time_ns, "action": action, **more}


def updates(*rows):
    """Return UPDATES on the common clock: messages in order, seen at BOB's host with no margin unless a row says so."""
    filled = [
        {"frame_id": number, "host": "bob", "sequence": number, "nlri_index": 0, "captured_ns": row["time_ns"], **row}
        for number, row in enumerate(rows, 1)
    ]
    table = connection_table(columns.UPDATES, filled)
    return table.assign(
        time_ns=pd.array([row["time_ns"] for row in rows], dtype="int64"),
        margin_ns=pd.array([row.get("margin_ns", 0) for row in rows], dtype="int64"),
    )


def at_bob(*rows):
    """Return BOB's routes, after the start of the session at time 1."""
    routes, _ = route_intervals(updates(event(1, "start"), event(2, "open"), *rows))
    return routes[routes["receiver_ip"] == BOB].reset_index(drop=True)


def spans(routes):
    return list(zip(routes["advertised_ns"], routes["withdrawn_ns"], strict=True))


def test_advertise_and_withdraw():
    """A route is in force from its advertisement to its withdrawal, and both frames prove it."""
    routes = at_bob(advertise(10), withdraw(20))

    assert spans(routes) == [(10, 20)]
    assert routes["frame_ids"].tolist() == [(3, 4)]
    assert routes[["sender_ip", "next_hop", "vni", "is_preexisting"]].to_numpy().tolist() == [
        [ALICE, ALICE, 5001, False]
    ]


def test_still_in_force():
    """A route that nobody withdraws is in force for ever, exactly."""
    routes = at_bob(advertise(1795375634029466123))

    assert spans(routes) == [(1795375634029466123, FOREVER)]
    assert routes["withdraw_margin_ns"].tolist() == [0]
    assert routes["frame_ids"].tolist() == [(3,)]


def test_refresh():
    """The same advertisement again changes nothing but refresh_ns."""
    routes = at_bob(advertise(10), advertise(15), advertise(17), withdraw(20))

    assert spans(routes) == [(10, 20)]
    assert routes["refresh_ns"].tolist() == [(15, 17)]


@pytest.mark.parametrize("change", [{"mobility_sequence": 1}, {"next_hop": CAROL}, {"vni": 7}, {"route_targets": None}])
def test_other_attributes(change):
    """An advertisement of the same key with other attributes closes the interval and opens the next."""
    routes = at_bob(advertise(10), advertise(15, **change))

    assert spans(routes) == [(10, 15), (15, FOREVER)]
    assert routes["refresh_ns"].tolist() == [(), ()]


@pytest.mark.parametrize(
    "key", [{"ip": None}, {"rd": "192.168.16.1:3"}, {"mac": 1}, {"ethernet_tag": 5}, {"ip": "::1"}]
)
def test_other_key(key):
    """A withdrawal of another key closes nothing."""
    routes = at_bob(advertise(10), advertise(11, **key), withdraw(20, **key))

    assert sorted(spans(routes)) == [(10, FOREVER), (11, 20)]


@pytest.mark.parametrize("begun", [(event(1, "start"), event(2, "open")), ()])
def test_a_reflector_hands_back_what_it_was_told(begun):
    """A route that comes back with the receiver's own identifier stays its own: told by itself, withdrawn by itself."""
    told = (advertise(10), advertise(14, originator_ip=ALICE, **BACK), withdraw(20), withdraw(24, **BACK))

    routes, _ = route_intervals(updates(*begun, *told))

    rows = routes[["receiver_ip", "sender_ip", "advertised_ns", "withdrawn_ns"]].to_numpy().tolist()
    assert rows == [[ALICE, ALICE, 10, 20], [BOB, ALICE, 10, 20]]


def test_a_reflector_hands_back_a_withdrawal():
    """Of a route from before the capture, whose withdrawal comes back, one end is known at each of both."""
    routes, _ = route_intervals(updates(withdraw(20), withdraw(24, **BACK)))

    rows = routes[["receiver_ip", "sender_ip", "withdrawn_ns", "is_preexisting"]].to_numpy().tolist()
    assert rows == [[ALICE, ALICE, 20, True], [BOB, ALICE, 20, True]]


def test_ethernet_segments_are_keyed_by_esi():
    """Two Ethernet segment routes that differ only in their ESI are two routes."""
    one = {"route_type": 4, "mac": None, "ip": ALICE, "esi": "a", "esi_key": "a"}

    routes = at_bob(advertise(10, **one), advertise(11, **one | {"esi": "b", "esi_key": "b"}), withdraw(12, **one))

    assert sorted(spans(routes)) == [(10, 12), (11, FOREVER)]


def test_again_after_withdrawal():
    """An advertisement after a withdrawal opens a second interval, and a repeated withdrawal none."""
    routes = at_bob(advertise(10), withdraw(20), withdraw(21), advertise(30))

    assert spans(routes) == [(10, 20), (30, FOREVER)]


def test_undecoded_routes_have_no_interval():
    """A route whose key could not be read is in force nowhere."""
    routes = at_bob({"time_ns": 10, "action": "advertise", "route_type": 9, "is_decoded": False, "raw": "0900"})

    assert routes.empty


@pytest.mark.parametrize("closing", ["reset", "end", "notification", "start"])
@pytest.mark.parametrize("who", [{}, BACK])
def test_end_of_session(closing, who):
    """A session's end, whoever caused it, withdraws everything it carried, and its frame proves it."""
    routes = at_bob(advertise(10), advertise(11, ip=None), event(20, closing, **who))

    assert sorted(spans(routes)) == [(10, 20), (11, 20)]
    assert {frames[1] for frames in routes["frame_ids"]} == {5}


def test_after_the_end():
    """After a reset the same route opens a new interval; it is no refresh."""
    routes = at_bob(advertise(10), event(20, "reset"), event(25, "start"), advertise(30))

    assert spans(routes) == [(10, 20), (30, FOREVER)]
    assert routes["refresh_ns"].tolist() == [(), ()]


def test_other_sessions_go_on():
    """The reset of one session leaves the routes of another in force."""
    carol = {"sender_ip": CAROL, "sender_port": 50000}

    routes = at_bob(advertise(10), advertise(11, rd="x:1", **carol), event(20, "reset"))

    assert routes.set_index("sender_ip")["withdrawn_ns"].to_dict() == {ALICE: 20, CAROL: FOREVER}


def test_collision_closes_nothing():
    """A second connection of the same speakers that is refused leaves the first one's routes in force."""
    other = {"sender_port": 40001}

    routes = at_bob(advertise(10), event(20, "start", **other), event(21, "notification", **other))

    assert spans(routes) == [(10, FOREVER)]


def test_newer_connection_takes_over():
    """Once a newer connection of the same speakers carries routes, those of the older one are gone."""
    other = {"sender_port": 40001}

    routes = at_bob(advertise(10), advertise(11, ip=None), event(20, "start", **other), advertise(30, **other))

    assert sorted(spans(routes)) == [(10, 30), (11, 30), (30, FOREVER)]


def test_preexisting():
    """A withdrawal that closes nothing, where the start was not seen, was in force since the session's first sight."""
    routes, _ = route_intervals(updates(event(5, "preexisting"), advertise(7, ip=None), withdraw(20)))
    first = routes[(routes["receiver_ip"] == BOB) & routes["ip"].notna()]

    assert spans(first) == [(5, 20)]
    assert first["is_preexisting"].tolist() == [True]
    assert first[["vni", "next_hop"]].isna().all(axis=None)


def test_own_preexisting():
    """A speaker's own route that it withdraws from all peers was in force since its sessions were first seen."""
    carol = {"receiver_ip": CAROL}

    routes, _ = route_intervals(updates(event(5, "preexisting"), withdraw(20), withdraw(21, **carol)))
    own = routes[routes["receiver_ip"] == routes["sender_ip"]]

    assert own[["advertised_ns", "withdrawn_ns", "is_preexisting"]].to_numpy().tolist() == [[5, 20, True]]


def test_withdrawal_of_nothing():
    """A withdrawal that closes nothing in a session whose start was seen means nothing."""
    assert at_bob(withdraw(20)).empty


def test_seen_at_both_ends():
    """A message seen at both ends counts once, as the receiver's own host saw it, even if its clock is worse."""
    left = {"host": "alice", "margin_ns": 1}
    right = {"host": "bob", "margin_ns": 5}
    to_carol = {"receiver_ip": CAROL, "host": "alice"}
    from_carol = {"sender_ip": CAROL, "sender_port": 50000, "host": "bob"}

    routes, _ = route_intervals(
        updates(
            event(1, "open", **to_carol),
            event(1, "open", **from_carol),
            advertise(10, sequence=77, **left),
            advertise(12, sequence=77, **right),
        )
    )
    seen = routes.set_index("receiver_ip")[["advertised_ns", "margin_ns", "frame_ids", "refresh_ns"]]

    assert seen.loc[BOB].tolist() == [12, 5, (4,), ()]
    assert seen.loc[ALICE].tolist() == [10, 1, (3,), ()]


@pytest.mark.parametrize(("left", "right", "chosen"), [(3, 8, 10), (8, 3, 12), (4, 4, 10), (FOREVER, 8, 12)])
def test_unclear_whose_host(left, right, chosen):
    """Where it is unclear which host is the receiver's, the better clock counts, then the earlier time."""
    routes, _ = route_intervals(
        updates(
            advertise(10, sequence=77, host="one", margin_ns=left),
            advertise(12, sequence=77, host="two", margin_ns=right),
        )
    )

    assert routes.loc[routes["receiver_ip"] == BOB, "advertised_ns"].tolist() == [chosen]


def test_unaligned_receiver():
    """A host without a common clock counts only where no other host saw the message."""
    rows = [
        advertise(10, sequence=77, host="one", margin_ns=3),
        advertise(999, sequence=77, host="two", margin_ns=FOREVER),
        advertise(998, sequence=78, host="two", margin_ns=FOREVER, ip=None),
    ]

    routes, _ = route_intervals(updates(*rows))
    at = routes[routes["receiver_ip"] == BOB]

    assert sorted(zip(at["advertised_ns"], at["margin_ns"], strict=True)) == [(10, 3), (998, FOREVER)]


def test_own_routes():
    """A speaker has its own routes from the first copy on; copies to other peers are no refresh, repeats are."""
    carol = {"receiver_ip": CAROL}

    routes, _ = route_intervals(
        updates(
            advertise(10),
            advertise(11, **carol),
            advertise(20),
            advertise(21, **carol),
            withdraw(30),
            withdraw(31, **carol),
        )
    )
    own = routes[routes["receiver_ip"] == routes["sender_ip"]]

    assert own[["receiver_ip", "advertised_ns", "withdrawn_ns", "refresh_ns"]].to_numpy().tolist() == [
        [ALICE, 10, 30, (20,)]
    ]


def test_own_routes_outlive_sessions():
    """The end of a session takes a speaker's own routes from its peer, not from itself."""
    routes, _ = route_intervals(updates(event(1, "start"), advertise(10), event(20, "reset")))

    assert routes.set_index("receiver_ip")["withdrawn_ns"].to_dict() == {ALICE: FOREVER, BOB: 20}


@pytest.mark.parametrize(
    "passed_on",
    [
        [advertise(10, **BACK), advertise(11, receiver_ip=CAROL)],
        [advertise(11, originator_ip="10.0.0.9")],
    ],
)
def test_passed_on_routes_are_not_own(passed_on):
    """A speaker that passes on what it received, or reflects it, has no row of its own for it."""
    routes, _ = route_intervals(updates(*passed_on))

    assert ALICE not in set(routes.loc[routes["receiver_ip"] == routes["sender_ip"], "receiver_ip"])


def test_reflected_back_routes_stay_own():
    """What a reflector sends back to the speaker whose route it is neither enters its table nor makes it another's."""
    back = {"originator_ip": ALICE, **BACK}
    routes, _ = route_intervals(updates(advertise(10), advertise(11, **back), withdraw(20), withdraw(21, **BACK)))
    at_alice = routes[routes["receiver_ip"] == ALICE]

    assert (at_alice["sender_ip"].tolist(), spans(at_alice)) == ([ALICE], [(10, 20)])


def sessions_of(*rows):
    _, sessions = route_intervals(updates(*rows))
    return sessions[["sender_ip", "receiver_ip", "first_ns", "complete_ns", "last_ns", "gap_count"]].to_numpy().tolist()


@pytest.mark.parametrize("beginning", ["start", "open"])
def test_complete_session(beginning):
    """A table is known whole from End-of-RIB on, where the start of the session was seen."""
    rows = sessions_of(event(1, beginning), event(2, "open"), advertise(5), event(7, "end-of-rib"), advertise(9))

    assert rows[0][3] == 7
    assert rows[0][4] == 9


def test_incomplete_session():
    """A table is never known whole where the session was there before the capture, or End-of-RIB did not come."""
    before = sessions_of(event(1, "preexisting"), advertise(5), event(7, "end-of-rib"))
    without = sessions_of(event(1, "start"), event(2, "open"), advertise(5))

    assert before == [[ALICE, BOB, 1, FOREVER, 7, 0]]
    assert without == [[ALICE, BOB, 2, FOREVER, 5, 0]]


def test_sessions_one_after_another():
    """Each session between two speakers is a row that lasts until its reset."""
    first = [event(1, "start"), event(2, "open"), event(3, "end-of-rib"), event(9, "reset")]
    second = [event(20, "start"), event(21, "open"), event(22, "end-of-rib")]

    assert sessions_of(*first, *second) == [[ALICE, BOB, 2, 3, 9, 0], [ALICE, BOB, 21, 22, 22, 0]]


def test_gaps_are_those_of_the_best_host():
    """What one host missed another may have seen: the gaps are those of the host that missed least."""
    rows = [event(1, "open", host="one"), event(1, "open", sequence=1, host="two")]
    gaps = [event(5, "gap", host="one"), event(6, "gap", host="one"), event(5, "gap", host="two")]

    assert [row[-1] for row in sessions_of(*rows, *gaps)] == [1]


def test_routes_at_is_half_open():
    """A route is in force at the moment of its advertisement and not at that of its withdrawal."""
    routes = at_bob(advertise(10), withdraw(20))

    assert [len(routes_at(routes, moment)) for moment in (9, 10, 19, 20)] == [0, 1, 1, 0]


steps = st.lists(
    st.tuples(st.sampled_from(["advertise", "withdraw", "reset"]), st.integers(0, 2), st.integers(0, 1)), max_size=14
)


@settings(max_examples=25, deadline=None)
@given(steps)
def test_equals_a_table_kept_by_hand(steps):
    """At every moment the routes in force are those of a dictionary that follows the messages."""
    rows, table, expected = [], {}, []
    for number, (action, mac, sequence) in enumerate(steps):
        told = {"mac": mac, "mobility_sequence": sequence}
        make = {"advertise": advertise, "withdraw": withdraw}.get(action, lambda time_ns, **_: event(time_ns, "reset"))
        rows.append(make(100 + number, **told))
        table = {} if action == "reset" else {**table, mac: sequence if action == "advertise" else None}
        expected.append({(key, value) for key, value in table.items() if value is not None})

    routes = at_bob(*rows)
    in_force = [routes_at(routes, 100 + number) for number in range(len(steps))]

    assert [set(zip(now["mac"], now["mobility_sequence"], strict=True)) for now in in_force] == expected


def test_nothing():
    """Without updates there are no routes and no sessions."""
    routes, sessions = route_intervals(updates())

    assert routes.empty
    assert sessions.empty


SCENARIOS = ["nd-linklocal-suppressed", "arp-flooded", "arp-learned-then-suppressed", "suppression-off"]
SETTLED_NS = 200_000_000  # an event in a VTEP is at every receiver after about 60 ms
HOSTS = ("pve1", "pve2", "pve3", "pve4", "vm1", "vm2")
VTEPS = {f"pve{number}": f"192.168.16.{number}" for number in (1, 2, 3, 4)}


def truth_at(events, moment):
    """Return the (VTEP, MAC, IP) that were announced and not withdrawn."""
    state = {}
    for happened in sorted(events, key=lambda one: one["t"]):
        if round(happened["t"] * 1e9) <= moment:
            state[VTEPS[happened["vtep"]], happened["mac"], happened["ip"]] = happened["action"]
    return {key for key, action in state.items() if action == "announce"}


def moments_of(truth, count=10):
    """Return moments between the first and the last event, each well apart from every event."""
    times = [round(happened["t"] * 1e9) for happened in truth["macip_events"]]
    first, last = min(times) - 10**9, max(times) + 10**9
    grid = [first + (last - first) * step // 400 for step in range(401)]
    settled = [moment for moment in grid if min(abs(moment - time) for time in times) > SETTLED_NS]
    return [settled[step * (len(settled) - 1) // (count - 1)] for step in range(count)]


@cache
def captures_of(folder):
    return read_captures([folder], Options())[0]


@cache
def routes_in_captures(folder, *only_hosts):
    """Return routes and sessions from the captures of some hosts (none named: all), which share one clock."""
    decoded = [one for one in captures_of(folder) if one.capture.host in (only_hosts or HOSTS)]
    streams, _ = join_streams(columns.SEGMENTS.concat([one.segments for one in decoded]))
    found, anomalies = decode_updates(streams)
    assert anomalies.empty
    return route_intervals(found.assign(time_ns=found["captured_ns"], margin_ns=0))


def known_at(routes, moment):
    """Return, for each receiver, the (VTEP, MAC, IP) of the type-2 routes in force."""
    known = defaultdict(set)
    for row in routes_at(routes[routes["route_type"] == 2], moment).itertuples():
        ip = "" if pd.isna(row.ip) else row.ip
        known[row.receiver_ip].add((row.next_hop, mac_text(int(row.mac)), ip))
    return known


@pytest.mark.corpus
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_equals_the_truth(scenario, captures_folder):
    """At ten moments, what is in force at each VTEP is what the VTEPs' own kernels and daemons had announced."""
    truth = json.loads((captures_folder / scenario / "truth.json").read_text())

    routes, _ = routes_in_captures(captures_folder / scenario)

    for moment in moments_of(truth):
        known = known_at(routes, moment)
        announced = truth_at(truth["macip_events"], moment)
        assert {vtep: known[vtep] for vtep in VTEPS.values()} == dict.fromkeys(VTEPS.values(), announced)


@pytest.mark.corpus
@pytest.mark.parametrize("host", ["pve1", "pve2", "pve3", "pve4"])
def test_one_host_is_enough(host, captures_folder):
    """What is in force at a VTEP is known from its own captures alone."""
    truth = json.loads((captures_folder / "arp-learned-then-suppressed" / "truth.json").read_text())

    routes, _ = routes_in_captures(captures_folder / "arp-learned-then-suppressed", host)

    for moment in moments_of(truth):
        assert known_at(routes, moment)[VTEPS[host]] == truth_at(truth["macip_events"], moment)


@pytest.mark.corpus
def test_sessions_in_captures(captures_folder):
    """Twelve directions of six sessions: known whole where the captures saw them begin, and never where not."""
    _, begun = routes_in_captures(captures_folder / "nd-linklocal-suppressed")
    _, before = routes_in_captures(captures_folder / "arp-flooded")

    assert (len(begun), len(before)) == (12, 12)
    assert (begun["complete_ns"] < FOREVER).all()
    assert (before["complete_ns"] == FOREVER).all()
    assert (begun["gap_count"] == 0).all()


@pytest.mark.corpus
def test_evidence_is_the_receivers_own(captures_folder):
    """Where all hosts were captured, the frame that proves a route was seen at the receiver's host."""
    folder = captures_folder / "arp-learned-then-suppressed"
    hosts = {one.capture.capture_id: one.capture.host for one in captures_of(folder)}

    routes, _ = routes_in_captures(folder)

    seen_at = [VTEPS[hosts[capture_of(frames[0])]] for frames in routes["frame_ids"]]
    assert seen_at == routes["receiver_ip"].tolist()


def events(*rows):
    """Return EVENTS seen at point 0 of host alice, the VTEP ALICE's own, in order of time."""
    common = {"host": "alice", "point_id": 0, "margin_ns": 0, "segment": "vni:5001", "protocol": "arp"}
    filled = [
        {"frame_id": 100 + number, "transmission_id": number, "captured_ns": row["time_ns"], **common, **row}
        for number, row in enumerate(rows)
    ]
    return rows_of(columns.EVENTS, filled)


def caused(told, *heard):
    """Return ALICE's own routes with what caused them, from UPDATES and EVENTS at her host."""
    routes, sessions = route_intervals(updates(event(1, "start"), event(2, "open"), *told))
    point = {
        "point_id": 0,
        "host": "alice",
        "vtep_ip": ALICE,
        "role": "tap",
        "is_hypervisor": True,
        "capture_ids": (0,),
    }
    found = with_causes(routes, sessions, events(*heard), NO_ANCHORS, rows_of(columns.POINTS, [point]), NO_PRINTS)
    return found[found["receiver_ip"] == ALICE].reset_index(drop=True)


def rows_of(table, rows):
    """Return rows of a table; what a row does not say is missing, times and numbers that cannot be are 0."""
    empty = {"int32": 0, "int64": 0, "uint64": 0}
    names = {column.name: empty.get(column.kind.dtype) for column in table.columns}
    return table.build({name: [row.get(name, none) for row in rows] for name, none in names.items()})


NO_TIMES = {"time_ns": pd.array([], dtype="int64"), "margin_ns": pd.array([], dtype="int64")}
NO_ANCHORS = columns.ANCHORS.empty().assign(**NO_TIMES)
NO_PRINTS = columns.SNAPSHOTS.empty().assign(**NO_TIMES)
MAC, OTHER_MAC, SVI_MAC = ROUTE["mac"], 0xBC2411000002, 0xBC2411AAAAA1
SECOND = 1_000_000_000
T = 1000 * SECOND


def heard(time_ns, target="10.2.1.1", **more):
    """Return ROUTE's machine asking for an address."""
    asks = {"message": "request", "kind": "resolution", "source_mac": MAC, "requester_ip": ROUTE["ip"]}
    return {"time_ns": time_ns, **asks, "target_ip": target, "is_multicast": True, **more}


def answered(time_ns, ip, mac):
    """Return a machine's answer for an address."""
    told = {"source_mac": mac, "told_mac": mac, "target_ip": ip, "destination_mac": MAC, "is_multicast": False}
    return {"time_ns": time_ns, "message": "reply", **told}


def test_trigger_is_the_exchange_with_the_gateway():
    """Of several frames that claim the address, the one sent to the VTEP itself made it announce the address."""
    own = caused(
        [advertise(T)],
        heard(T - 70_000_000, "10.2.1.12"),
        heard(T - 50_000_000),
        answered(T - 49_000_000, "10.2.1.1", SVI_MAC),
        heard(T - 10_000_000),
    )

    assert own[["trigger_frame_id", "trigger_delay_ns"]].to_numpy().tolist() == [[101, 50_000_000]]


@pytest.mark.parametrize(
    "frames",
    [
        [heard(T - 2 * SECOND)],
        [heard(T + 1)],
        [heard(T - 50_000_000, requester_ip="10.2.1.99")],
        [heard(T - 50_000_000, vni=5001, outer_source_ip=BOB)],
        [],
    ],
)
def test_no_trigger(frames):
    """A frame long before, after the UPDATE, of another address, or from behind another VTEP is no trigger."""
    assert caused([advertise(T)], *frames)["trigger_frame_id"].isna().all()


@pytest.mark.parametrize(("gone_ns", "delay_ns"), [(T - 2 * SECOND, 300_000_000), (T - 100_000_000, 50_000_000)])
def test_a_frame_that_taught_nothing_is_no_trigger(gone_ns, delay_ns):
    """The first frame to the VTEP made it announce the address; none while another VTEP's route for it was in force."""
    other = {**BACK, "rd": "192.168.16.2:2", "next_hop": BOB}
    told = [advertise(T - 3 * SECOND, **other), withdraw(gone_ns, **BACK, rd="192.168.16.2:2"), advertise(T)]
    own = caused(told, heard(T - 300_000_000), heard(T - 50_000_000), answered(T - 49_000_000, "10.2.1.1", SVI_MAC))

    assert own[own["sender_ip"] == ALICE]["trigger_delay_ns"].tolist() == [delay_ns]


def test_an_answer_by_proxy_is_no_trigger():
    """While a VTEP holds another's route for an address, an answer for it to its own machine is its own."""
    other = {**BACK, "rd": "192.168.16.2:2", "next_hop": BOB}
    told = [advertise(T - 3 * SECOND, **other), advertise(T, ip=None)]
    asks = heard(T - 301_000_000, ROUTE["ip"], source_mac=OTHER_MAC, requester_ip="10.2.1.12")
    proxied = {**answered(T - 300_000_000, ROUTE["ip"], MAC), "destination_mac": OTHER_MAC}
    own = caused([*told, advertise(T, mac=OTHER_MAC, ip=None)], asks, proxied, heard(T - 50_000_000, "10.2.1.9"))

    assert own[(own["sender_ip"] == ALICE) & (own["mac"] == MAC)]["trigger_delay_ns"].tolist() == [50_000_000]


def test_a_mac_that_was_heard_long_before_has_no_trigger():
    """What a MAC sends teaches the bridge once: its first frame is the trigger, if that came within a second."""
    told = [advertise(T, ip=None)]

    first, again = caused(told, heard(T - 400_000_000), heard(T - 9)), caused(told, heard(T - 2 * SECOND), heard(T - 9))

    assert first["trigger_delay_ns"].tolist() == [400_000_000]
    assert again["trigger_frame_id"].isna().tolist() == [True]


def test_a_new_sessions_table_has_no_triggers():
    """What a session is told first was learned at any time before; what comes after its End-of-RIB has triggers."""
    later = {"ip": "10.2.1.12"}
    told = [advertise(T), event(T + 1, "end-of-rib"), advertise(T + SECOND, **later)]

    own = caused(told, heard(T - 50_000_000), heard(T + SECOND - 50_000_000, requester_ip="10.2.1.12"))

    assert own["trigger_frame_id"].isna().tolist() == [True, False]


def test_what_a_first_table_told_can_be_learned_anew():
    """A MAC of the first table that was withdrawn and is announced again was taught anew, whatever came before."""
    told = [advertise(T - 9 * SECOND, ip=None), event(T - 8 * SECOND, "end-of-rib"), withdraw(T - 4 * SECOND, ip=None)]

    own = caused([*told, advertise(T, ip=None)], heard(T - 6 * SECOND), heard(T - 50_000_000))

    assert own["trigger_delay_ns"].isna().tolist() == [True, False]
    assert own["trigger_delay_ns"].dropna().tolist() == [50_000_000]


def test_any_frame_teaches_a_mac():
    """A MAC, and an address that is announced together with it, are announced for any frame of the MAC."""
    own = caused(
        [advertise(T, ip=None), advertise(T + 400_000)],
        heard(T - 50_000_000, message="reply", kind=None, requester_ip=None, target_ip="fe80::9", told_mac=1),
    )

    assert own["trigger_delay_ns"].tolist() == [50_400_000, 50_000_000]


def test_a_multicast_listener_report_teaches_a_mac():
    """A MAC that its machine's MLD report taught has that frame as its trigger; an address is not taught by one."""
    own = caused(
        [advertise(T, ip=None), advertise(T + 2 * SECOND)],
        heard(T - 50_000_000, message="mld", protocol="mld", kind=None, requester_ip=None, target_ip=None),
        heard(T + 2 * SECOND - 50_000_000, message="mld", protocol="mld", kind=None, requester_ip=None, target_ip=None),
    )

    assert own["trigger_delay_ns"].dropna().tolist() == [50_000_000]


BOTH = [advertise(10), advertise(11, ip=None)]
BOBS = {"rd": "192.168.16.4:2", "next_hop": BOB, **BACK}


@pytest.mark.parametrize(
    ("told", "frames", "reasons"),
    [
        ([advertise(10), advertise(T, vni=7)], [], ["replaced", None]),
        ([*BOTH, event(T, "reset")], [], [None, None]),
        ([*BOTH, withdraw(T), withdraw(T, ip=None)], [heard(T - 300 * SECOND)], ["aged", "aged"]),
        ([*BOTH, withdraw(T), withdraw(T, ip=None)], [heard(T - 100 * SECOND)], ["unknown", "unknown"]),
        ([*BOTH, withdraw(T), withdraw(T, ip=None)], [heard(T - SECOND)], ["link down", "link down"]),
        ([*BOTH, withdraw(T), withdraw(T, ip=None)], [], ["unknown", "unknown"]),
        ([*BOTH, withdraw(T)], [heard(T - 2 * SECOND)], ["family disabled", None]),
        ([*BOTH, withdraw(T)], [heard(T - 90 * SECOND)], ["aged", None]),
        ([*BOTH, withdraw(T)], [], ["unknown", None]),
        ([*BOTH, advertise(T, **BOBS), withdraw(T + 9)], [], ["moved", None]),
        ([advertise(9, **BOBS), *BOTH, withdraw(T + 9)], [], ["unknown", None]),
    ],
)  # fmt: skip
def test_withdraw_reason(told, frames, reasons):
    """The reason of a withdrawal is told where UPDATEs and frames prove it, and unknown otherwise."""
    own = caused(told, *frames)
    own = own[own["sender_ip"] == ALICE]

    assert [None if pd.isna(one) else one for one in own["withdraw_reason"]] == reasons


def test_withdraw_reason_is_the_same_everywhere():
    """A receiver's row has the reason that the announcing VTEP's own row has; a lost session its own."""
    told = [*BOTH, withdraw(T), withdraw(T, ip=None), advertise(T + 9), event(T + 20, "reset")]
    routes, sessions = route_intervals(updates(event(1, "start"), event(2, "open"), *told))

    found = with_causes(routes, sessions, events(), NO_ANCHORS, columns.POINTS.empty(), NO_PRINTS)
    at_bob = found[found["receiver_ip"] == BOB]

    assert at_bob["withdraw_reason"].tolist() == ["unknown", "session lost", "unknown"]


IMET = {"route_type": 3, "mac": None, "ip": BOB, "rd": "192.168.16.4:2", "vni": 5001, "next_hop": BOB}


@pytest.mark.parametrize(
    ("exported", "told", "imported"),
    [
        ("65001:5001", "65001:5001", True),
        ("65002:5001", "65001:5001", True),
        ("65001:7", "65001:5001", False),
        ("65001:7", "65001:100001 65001:7", True),
        ("65001:7", None, None),
        (None, "65001:5001", None),
    ],
)
def test_import_by_route_target(exported, told, imported):
    """A route is imported where it shares a target with the receiver's own, whatever the AS, and not where none is."""
    own = [advertise(5, **IMET | {"route_targets": exported}, **BACK)] if exported else []

    routes = at_bob(*own, advertise(10, route_targets=told))
    found = routes.loc[routes["sender_ip"] == ALICE, "is_imported"]

    assert [None if pd.isna(one) else bool(one) for one in found] == [imported]


CAROLS = {"rd": "c:2", "sender_ip": CAROL, "sender_port": 50000}


@pytest.mark.parametrize(
    ("first", "second", "outranked"),
    [
        ({}, {"mobility_sequence": 1}, {ALICE: (20, 30)}),
        ({}, {}, {CAROL: (20, 30)}),
        ({"is_sticky": True}, {"mobility_sequence": 1}, {CAROL: (20, 30)}),
        ({"mobility_sequence": 2}, {"mobility_sequence": 1}, {CAROL: (20, 30)}),
        ({"esi": "00:01"}, {"esi": "00:01", "mobility_sequence": 1}, {}),
        ({}, {"mobility_sequence": 1, "vni": 7}, {}),
    ],
)
def test_best_path(first, second, outranked):
    """Sticky goes before sequence, sequence before the lower VTEP; one segment's routes do not compete."""
    routes = at_bob(advertise(10, **first), advertise(20, **CAROLS, **second, next_hop=CAROL), withdraw(30, **CAROLS))
    routes = routes.assign(outranked_ns=outranked_times(routes))
    found = routes[routes["outranked_ns"].map(bool)]

    assert dict(zip(found["sender_ip"], found["outranked_ns"], strict=True)) == outranked


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=8))
def test_best_path_moment_by_moment(spans):
    """At every moment a route is outranked exactly where one in force then has a better rank."""
    rows = [
        {"receiver_ip": BOB, "route_type": 2, "vni": 5001, "mac": 1, "next_hop": f"10.0.0.{number}",
         "advertised_ns": since, "withdrawn_ns": since + length, "mobility_sequence": sequence, "refused_ns": ()}
        for number, (since, length, sequence) in enumerate(spans)
    ]  # fmt: skip
    found = outranked_times(rows_of(columns.ROUTES, rows)).tolist()

    for moment in range(20):
        held = [one for one, row in enumerate(rows) if row["advertised_ns"] <= moment < row["withdrawn_ns"]]
        best = min(held, key=lambda one: (-rows[one]["mobility_sequence"], one), default=None)
        beaten = [
            one
            for one, edges in enumerate(found)
            if any(since <= moment < until for since, until in zip(edges[::2], edges[1::2], strict=True))
        ]
        assert beaten == [one for one in held if one != best]


def true_triggers(truth):
    """Return the (MAC, IP) that were announced for a frame: its true time and the true delay to the UPDATE."""
    return {
        (one["mac"], one["ip"]): (one["trigger"]["t"], one["update_formatted_t"] - one["trigger"]["t"])
        for one in truth["macip_events"]
        if one["trigger"] and one["action"] == "announce" and not one["refresh"]
    }


@pytest.mark.corpus
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_triggers_are_true(scenario, captures_folder):
    """Each announcement has the frame that truly triggered it, and the true delay within 5 ms."""
    truth = json.loads((captures_folder / scenario / "truth.json").read_text())
    analysis = evpn_pcap.analyze([captures_folder / scenario])
    frames = analysis.tables.events.set_index("frame_id")["time_ns"]
    told = analysis.tables.routes.query("receiver_ip == sender_ip and route_type == 2 and ip.notna()")

    found = {
        (mac_text(int(row.mac)), row.ip): (frames[row.trigger_frame_id] / 1e9, row.trigger_delay_ns / 1e9)
        for row in told.itertuples()
    }

    expected = true_triggers(truth)
    assert found.keys() == expected.keys()
    assert found == {key: pytest.approx(values, abs=0.005) for key, values in expected.items()}


LISTED = {"restart_time_s": 120, "is_forwarding_kept": True, "is_notification_graceful": False}
HELPER = {"restart_time_s": 120, "is_notification_graceful": False}  # FRR's default: the capability without families
AGREED = {"is_notification_graceful": True}
PORT = {"sender_port": 40001}  # of ALICE's next connection
LATER = {"ip": "10.2.1.99"}


def greeting(time_ns, theirs=LISTED, ours=HELPER, **ports):
    """Return the start of a session of ALICE's, with both OPENs."""
    back = {"receiver_port": ports["sender_port"]} if ports else {}
    return [
        event(time_ns, "start", **ports),
        event(time_ns + 1, "open", **theirs, **ports),
        event(time_ns + 2, "open", **ours, **(BACK | back)),
        event(time_ns + 3, "keepalive", **ports),
    ]


def restarted(*rows, theirs=LISTED, ours=HELPER):
    """Return from when until when BOB has ALICE's routes, which she told at T and T + 1, and why they went, by IP."""
    told = [*greeting(T - 9, theirs, ours), advertise(T), advertise(T + 1, **LATER), event(T + 2, "end-of-rib"), *rows]
    routes, _ = route_intervals(updates(*told))
    at_bob = routes[routes["receiver_ip"] == BOB].sort_values("ip")
    reasons = [None if pd.isna(one) else str(one) for one in at_bob["withdraw_reason"]]
    return [*zip(at_bob["ip"], *zip(*spans(at_bob), strict=True), reasons, at_bob["stale_ns"], strict=True)]


LOST = T + 10 * SECOND
UP = T + 20 * SECOND
OVER = LOST + 120 * SECOND
GONE = T + 30 * SECOND


@pytest.mark.parametrize("closing", ["reset", "end", "start"])
def test_graceful_restart_keeps_routes_until_the_table_is_whole_again(closing):
    """What is told again in time was in force all along; what is not, is withdrawn as stale at End-of-RIB."""
    again = [*greeting(UP, **PORT), advertise(UP + 9, **PORT), event(GONE, "end-of-rib", **PORT)]

    assert restarted(event(LOST, closing), *again) == [
        (ROUTE["ip"], T, FOREVER, None, (LOST, UP + 9)),
        (LATER["ip"], T + 1, GONE, "stale", (LOST, GONE)),
    ]


def test_graceful_restart_without_the_old_sessions_end():
    """A speaker that comes back before its peer noticed that it was gone restarted all the same."""
    again = [*greeting(UP, **PORT), advertise(UP + 9, **PORT), event(GONE, "end-of-rib", **PORT)]

    assert [row[:4] for row in restarted(*again)] == [
        (ROUTE["ip"], T, FOREVER, None),
        (LATER["ip"], T + 1, GONE, "stale"),
    ]


def test_other_attributes_after_a_restart():
    """What is told otherwise after a restart is replaced then, and what is withdrawn is gone then."""
    again = [*greeting(UP, **PORT), advertise(UP + 9, vni=7, **PORT), withdraw(UP + 10, **LATER, **PORT)]

    found = restarted(event(LOST, "reset"), *again, event(GONE, "end-of-rib", **PORT))

    assert [row[1:4] for row in found] == [
        (T, UP + 9, "replaced"),
        (UP + 9, FOREVER, None),
        (T + 1, UP + 10, "unknown"),
    ]


@pytest.mark.parametrize("begun", [[], greeting(OVER + SECOND, **PORT), [event(UP, "start", **PORT)]])
def test_the_restart_time_is_over(begun):
    """Without a new session in the restart time, the routes are gone when it is over."""
    found = restarted(event(LOST, "reset"), *begun)

    assert [row[2:] for row in found] == [(OVER, "session lost", (LOST, OVER))] * 2


@pytest.mark.parametrize("new", [HELPER, LISTED | {"is_forwarding_kept": False}, {}])
def test_forwarding_was_not_kept(new):
    """A new OPEN that does not list EVPN, or says that forwarding was not kept, ends what is stale at once."""
    found = restarted(event(LOST, "reset"), *greeting(UP, new, **PORT), advertise(UP + 9, **PORT))

    assert [row[1:4] for row in found] == [
        (T, UP + 1, "session lost"),
        (UP + 9, FOREVER, None),
        (T + 1, UP + 1, "session lost"),
    ]


def test_lost_again_before_the_table_was_whole():
    """What is still stale when the new session is lost is gone; what that had told again is kept once more."""
    again = [*greeting(UP, **PORT), advertise(UP + 9, **PORT), event(GONE, "reset", **PORT)]

    found = restarted(event(LOST, "reset"), *again)

    assert [row[1:4] for row in found] == [
        (T, GONE + 120 * SECOND, "session lost"),
        (T + 1, GONE, "session lost"),
    ]
    assert found[0][4] == (LOST, UP + 9, GONE, GONE + 120 * SECOND)


NOT_LISTED = (HELPER, HELPER, "reset", {}, False)


@pytest.mark.parametrize(
    ("theirs", "ours", "closing", "codes", "is_kept"),
    [
        NOT_LISTED,
        (LISTED, {}, "reset", {}, False),
        (LISTED, HELPER, "reset", {}, True),
        (LISTED, HELPER, "notification", {"error_code": 4, "error_subcode": 0}, False),
        (LISTED | AGREED, HELPER, "notification", {"error_code": 4, "error_subcode": 0}, False),
        (LISTED | AGREED, HELPER | AGREED, "notification", {"error_code": 4, "error_subcode": 0}, True),
        (LISTED | AGREED, HELPER | AGREED, "notification", {"error_code": 6, "error_subcode": 2}, True),
        (LISTED | AGREED, HELPER | AGREED, "notification", {"error_code": 6, "error_subcode": 9}, False),
    ],
)
def test_who_keeps_routes(theirs, ours, closing, codes, is_kept):
    """Both must have offered graceful restart, the sender for EVPN; a NOTIFICATION is graceful where both say so."""
    again = [*greeting(UP, theirs, ours, **PORT), advertise(UP + 9, **PORT), event(GONE, "end-of-rib", **PORT)]

    found = restarted(event(LOST, closing, **codes), *again, theirs=theirs, ours=ours)

    ended = [(T, FOREVER), (T + 1, GONE)] if is_kept else [(T, LOST), (UP + 9, FOREVER), (T + 1, LOST)]
    assert [row[1:3] for row in found] == ended


def test_the_other_direction_is_judged_by_itself():
    """What BOB told ALICE is gone at the reset, because he listed no family, although she did."""
    bobs = {**BACK, "rd": "192.168.16.4:2", "next_hop": BOB}
    told = [*greeting(T - 9), advertise(T), advertise(T + 1, **bobs), event(LOST, "reset")]

    routes, _ = route_intervals(updates(*told))
    ends = routes[routes["receiver_ip"] != routes["sender_ip"]].set_index("receiver_ip")["withdrawn_ns"]

    assert ends.to_dict() == {ALICE: LOST, BOB: OVER}


@settings(max_examples=40, deadline=None)
@given(steps, st.sampled_from([LISTED, HELPER]))
def test_restarts_equal_a_table_kept_by_hand(steps, theirs):
    """With resets after which a session begins anew and tells its whole table, stale routes stay until that is told."""
    rows, table, stale, expected = [*greeting(90, theirs)], {}, set(), []
    for number, (action, mac, sequence) in enumerate(steps):
        now = 100 + 10 * number
        told = {"mac": mac, "mobility_sequence": sequence}
        if action == "reset":
            rows += [event(now, "reset"), *greeting(now + 1, theirs)]
            table = {key: value for key, value in table.items() if key not in stale} if theirs is LISTED else {}
            stale = set(table)
        elif action == "withdraw" and mac == 2:  # stands for End-of-RIB
            rows.append(event(now, "end-of-rib"))
            table, stale = {key: value for key, value in table.items() if key not in stale}, set()
        else:
            rows.append((advertise if action == "advertise" else withdraw)(now, **told))
            table = {key: value for key, value in table.items() if key != mac}
            table |= {mac: sequence} if action == "advertise" else {}
            stale -= {mac}
        expected.append(set(table.items()))

    routes, _ = route_intervals(updates(*rows))
    at_bob = routes[routes["receiver_ip"] == BOB]
    in_force = [routes_at(at_bob, 100 + 10 * number + 5) for number in range(len(steps))]

    assert [set(zip(now["mac"], now["mobility_sequence"], strict=True)) for now in in_force] == expected
