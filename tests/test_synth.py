"""The simulator: encoders against real octets and tshark, vantage points, clocks, truth."""

import json
import subprocess
from dataclasses import replace
from struct import unpack_from

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evpn_pcap.synth import Channel, Clock, Record, Simulation, bgp, frames, small_fabric, write_pcap, write_pcapng
from evpn_pcap.synth.scenarios import SCENARIOS

VM1, VM2 = ("bc:24:11:00:00:01", "10.2.1.11"), ("bc:24:11:00:00:02", "10.2.1.12")
LL1, LL2 = ("bc:24:11:00:00:01", "fe80::be24:11ff:fe00:1"), ("bc:24:11:00:00:02", "fe80::be24:11ff:fe00:2")
PVE1, PVE2 = ("bc:24:11:10:00:01", "192.168.16.1"), ("bc:24:11:10:00:02", "192.168.16.2")
RD = bgp.route_distinguisher("192.168.16.1", 2)
TARGETS = [bgp.encapsulation(), bgp.route_target(65001, 5001)]
SECOND = 10**9

# what Linux 6.18 and FRR 8.4.4 sent in the lab
LINUX = {
    "solicitation": (
        "3333ff000002bc241100000186dd6000000000203afffe80000000000000be2411fffe000001ff0200000000000000000001ff000002"
        "8700132900000000fe80000000000000be2411fffe0000020101bc2411000001"
    ),
    "advertisement": (
        "bc2411000001bc241100000286dd6000000000203afffe80000000000000be2411fffe000002fe80000000000000be2411fffe000001"
        "8800e28660000000fe80000000000000be2411fffe0000020201bc2411000002"
    ),
    "router solicitation": (
        "333300000002bc241100000186dd6000000000103afffe80000000000000be2411fffe000001ff020000000000000000000000000002"
        "8500e0e2000000000101bc2411000001"
    ),
}
FRR = {
    "MAC": (
        "ffffffffffffffffffffffffffffffff006902000000" + "52"
        "900e002c00194604c0a810010002210001c0a8100100020000000000000000000000000000"
        "30bc241100000100001389400101005002000040050400000064c01010030c0000000000080002fde900001389"
    ),
    "MAC and IPv4": (
        "ffffffffffffffffffffffffffffffff00800200000069900e003300194604c0a810010002280001c0a8100100020000000000000000"
        "00000000000030bc2411000001200a02010b0013890186a1400101005002000040050400000064c01020030c000000000008"
        "0002fde9000013890002fde9000186a106039af0700b1f81"
    ),
    "multicast": (
        "ffffffffffffffffffffffffffffffff0065020000004e900e001c00194604c0a810010003110001c0a8100100020000000020c0a81001"
        "400101005002000040050400000064c01010030c0000000000080002fde900001389c016090006001389c0a81001"
    ),
    "end of RIB": "ffffffffffffffffffffffffffffffff001d0200000006800f03001946",
}


def test_nd_frames_are_those_of_linux():
    """An NS, a proxied NA and an RS have the same octets as the lab's, checksums included."""
    ours = {
        "solicitation": frames.neighbour_solicitation(*LL1, LL2[1]),
        "advertisement": frames.neighbour_advertisement(LL2, LL1, LL2),
        "router solicitation": frames.router_solicitation(*LL1),
    }

    assert {name: octets.hex() for name, octets in ours.items()} == LINUX


def test_updates_are_those_of_frr():
    """UPDATEs with routes 2 and 3, and End-of-RIB, have the same octets as FRR's."""
    routed = [*TARGETS, bgp.route_target(65001, 100001), bgp.router_mac("9a:f0:70:0b:1f:81")]
    ours = {
        "MAC": bgp.update(PVE1[1], [bgp.mac_ip_route(RD, VM1[0], vnis=(5001,))], TARGETS),
        "MAC and IPv4": bgp.update(PVE1[1], [bgp.mac_ip_route(RD, *VM1, vnis=(5001, 100001))], routed),
        "multicast": bgp.update(PVE1[1], [bgp.multicast_route(RD, PVE1[1])], TARGETS, vni=5001),
        "end of RIB": bgp.end_of_rib(),
    }

    assert {name: octets.hex() for name, octets in ours.items()} == FRR


def test_checksum_is_that_of_the_rfc():
    """The example of RFC 1071, section 3."""
    assert frames.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_arp_is_that_of_the_rfc():
    """RFC 826's fields in their order, without padding."""
    octets = frames.arp_request(*VM1, VM2[1])

    assert octets.hex() == "ffffffffffff" + "bc2411000001" + "0806" + "0001080006040001" + (
        "bc2411000001" + "0a02010b" + "000000000000" + "0a02010c"
    )


DISSECTED = {
    "arp reply": (
        frames.arp_reply(*VM2, *VM1),
        {"arp.opcode": "2", "arp.src.proto_ipv4": VM2[1], "arp.src.hw_mac": VM2[0], "arp.dst.proto_ipv4": VM1[1]},
    ),
    "arp probe": (frames.arp_request(VM1[0], "0.0.0.0", VM1[1]), {"arp.isprobe": "1"}),
    "arp announcement": (frames.arp_request(*VM1, VM1[1]), {"arp.isgratuitous": "1"}),
    "rarp": (frames.rarp_announcement(VM1[0]), {"arp.opcode": "3", "eth.type": "0x8035"}),
    "dad": (
        frames.neighbour_solicitation(LL1[0], "::", LL1[1]),
        {"ipv6.src": "::", "icmpv6.nd.ns.target_address": LL1[1]},
    ),
    "announcing na": (
        frames.neighbour_advertisement(LL1, ("33:33:00:00:00:01", "ff02::1"), LL1, is_router=True, is_solicited=False),
        {"icmpv6.nd.na.flag.r": "1", "icmpv6.nd.na.flag.s": "0", "icmpv6.nd.na.flag.o": "1", "ipv6.hlim": "255"},
    ),
    "echo": (
        frames.echo(VM1, VM2, 8, 2),
        {"icmp.type": "8", "icmp.ident": "8", "icmp.seq": "2", "icmp.checksum.status": "1"},
    ),
    "echo6": (frames.echo(LL2, LL1, 8, 2, is_reply=True), {"icmpv6.type": "129", "icmpv6.checksum.status": "1"}),
    "vlan": (
        frames.ethernet(VM1[0], VM2[0], 0x0806, frames.arp(1, *VM1, "00:00:00:00:00:00", VM2[1]), vlan_id=42),
        {"vlan.id": "42", "arp.opcode": "1"},
    ),
    "udp": (
        frames.ethernet(VM1[0], VM2[0], *frames.packet(VM1[1], VM2[1], 17, frames.udp(VM1[1], VM2[1], (7, 9), b"odd"))),
        {"udp.srcport": "7", "udp.dstport": "9", "udp.checksum.status": "1", "ip.checksum.status": "1"},
    ),
    "vxlan over ipv6": (
        frames.vxlan((PVE1[0], "2001:db8::1"), (PVE2[0], "2001:db8::2"), 10010, frames.arp_request(*VM1, VM2[1])),
        {"vxlan.vni": "10010", "udp.dstport": "4789", "udp.checksum.status": "1", "arp.opcode": "1"},
    ),
}


def dissect(path, fields):
    """Return tshark's values of the first packet."""
    checks = [f"-o{layer}.check_checksum:TRUE" for layer in ("ip", "tcp", "udp")]
    wanted = [word for field in fields for word in ("-e", field)]
    command = ["tshark", "-r", path, *checks, "-T", "fields", "-E", "separator=|", *wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(fields, done.stdout.splitlines()[0].split("|"), strict=True))


@pytest.mark.tshark
@pytest.mark.parametrize("name", DISSECTED)
def test_tshark_reads_what_was_meant(name, tmp_path):
    """Every encoder's fields come back from tshark, with right checksums."""
    octets, fields = DISSECTED[name]
    write_pcap(tmp_path / "one.pcap", [Record(SECOND, octets)])

    assert dissect(tmp_path / "one.pcap", fields) == fields


@pytest.mark.tshark
def test_tshark_reads_bgp(tmp_path):
    """OPEN, a withdrawal, mobility, gateway and prefix routes come back from tshark."""
    communities = [*TARGETS, bgp.mac_mobility(3, is_sticky=True), bgp.default_gateway()]
    messages = [
        bgp.open_message(65001, PVE1[1]),
        bgp.update(
            PVE1[1],
            [bgp.mac_ip_route(RD, *LL1, vnis=(5001,)), bgp.prefix_route(RD, "10.2.1.0", 24, 100001)],
            communities,
        ),
        bgp.withdraw([bgp.mac_ip_route(RD, *VM1)]),
    ]
    segment = frames.tcp(PVE1[1], PVE2[1], (40000, 179), (1, 1), 0x18, b"".join(messages))
    frame = frames.ethernet(PVE1[0], PVE2[0], *frames.packet(PVE1[1], PVE2[1], 6, segment))
    write_pcap(tmp_path / "bgp.pcap", [Record(SECOND, frame)])
    expected = {
        "bgp.type": "1,2,2",
        "bgp.open.myas": "65001",
        "bgp.evpn.nlri.rt": "2,5,2",
        "bgp.evpn.nlri.ip.addr": "10.2.1.0,10.2.1.11",
        "bgp.evpn.nlri.ipv6.addr": LL1[1],
        "bgp.ext_com_evpn.mmac.seq": "3",
        "bgp.ext_com_evpn.mmac.flags.sticky": "1",
        "tcp.checksum.status": "1",
        "_ws.malformed": "",
    }

    assert dissect(tmp_path / "bgp.pcap", expected) == expected


TROUBLE = (
    "_ws.malformed || _ws.expert.severity == error || ip.checksum.status == 0 || tcp.checksum.status == 0 "
    "|| udp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0 || tcp.analysis.flags"
)


BROKEN = {"nd-message-invalid"}  # its story is messages that break RFC 4861


@pytest.mark.tshark
@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - BROKEN))
def test_tshark_finds_nothing_wrong(name, tmp_path):
    """No simulated frame is malformed, has a bad checksum, or is out of order in its stream, save on purpose."""
    SCENARIOS[name]().write(tmp_path, form="pcapng")
    checks = [f"-o{layer}.check_checksum:TRUE" for layer in ("ip", "tcp", "udp")]

    for path in sorted(tmp_path.glob("*.pcapng")):
        command = ["tshark", "-r", path, *checks, "-Y", TROUBLE]
        assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "", path.name


def test_pcap_cuts_to_microseconds_or_keeps_nanoseconds(tmp_path):
    """Microsecond files cut the time as tcpdump does, nanosecond files keep it; a snap length cuts octets only."""
    record = Record(7 * SECOND + 123_456_789, b"0123456789")
    write_pcap(tmp_path / "us.pcap", [record], snaplen=4)
    write_pcap(tmp_path / "ns.pcap", [record], nanoseconds=True)

    coarse, fine = (tmp_path / "us.pcap").read_bytes(), (tmp_path / "ns.pcap").read_bytes()

    assert unpack_from("<I", coarse)[0] == 0xA1B2C3D4
    assert unpack_from("<IIII", coarse, 24) == (7, 123_456, 4, 10)
    assert coarse[40:] == b"0123"
    assert unpack_from("<I", fine)[0] == 0xA1B23C4D
    assert unpack_from("<IIII", fine, 24) == (7, 123_456_789, 10, 10)


def blocks(octets):
    """Yield type and body of each pcapng block, asserting both lengths agree."""
    at = 0
    while at < len(octets):
        kind, length = unpack_from("<II", octets, at)
        assert unpack_from("<I", octets, at + length - 4)[0] == length
        yield kind, octets[at + 8 : at + length - 4]
        at += length


def test_pcapng_says_who_listened_when(tmp_path):
    """A file has an interface a channel with its name, records in order of time, and statistics with start and end."""
    channels = [
        Channel("tap503i1", [Record(3, b"late!", 2)], started_ns=1, ended_ns=9),
        Channel("EVPN1", [Record(2, b"soon")], dropped_count=5),
    ]
    write_pcapng(tmp_path / "pve1.pcapng", channels, comment="made up")

    found = list(blocks((tmp_path / "pve1.pcapng").read_bytes()))

    assert [kind for kind, _ in found] == [0x0A0D0D0A, 1, 1, 6, 6, 5, 5]
    assert b"tap503i1" in found[1][1]
    assert [unpack_from("<IIIII", body) for _, body in found[3:5]] == [(1, 0, 2, 4, 4), (0, 0, 3, 5, 5)]
    assert unpack_from("<IIIHHIIHHII", found[5][1]) == (0, 0, 9, 2, 8, 0, 1, 3, 8, 0, 9)
    assert found[6][1].endswith(b"\x05\x00\x08\x00" + (5).to_bytes(8, "little") + bytes(4))


@pytest.mark.tshark
def test_capinfos_reads_pcapng(tmp_path):
    """capinfos counts the interfaces and packets that were written."""
    SCENARIOS["gateway-primed"]().write(tmp_path, form="pcapng")

    told = subprocess.run(["capinfos", "-cIM", tmp_path / "pve1.pcapng"], capture_output=True, text=True, check=True)

    assert "Number of interfaces in file: 4" in told.stdout
    assert "Name = vxlan_EVPN1" in told.stdout


def seen(recording, octets):
    """Return where a frame was seen, in order of true time, once a vantage point, and how often on the underlay."""
    fabric = recording.fabric
    places = [
        (record.captured_ns, host, point)
        for (host, point), records in recording.captures.items()
        for record in records
        if record.octets.endswith(octets)
    ]
    order = [f"{host}-{point}" for _, host, point in sorted(places, key=lambda place: place[0])]
    return list(dict.fromkeys(order)), sum(point == fabric.underlay for _, _, point in places)


def primed(vteps=3, **changes):
    """Return a simulation with right clocks whose routes are all in force."""
    fabric = replace(small_fabric(vteps), **changes)
    lab = Simulation(fabric)
    for vm in fabric.vms:
        lab.connect(vm.name, vm.ip)
    lab.start_sessions()
    lab.wait(1)
    return lab


def test_a_flooded_request_is_seen_all_the_way():
    """Tap, bridge, vxlan device, the underlay once for each remote VTEP, then the same at the other end."""
    lab = Simulation(small_fabric(4))
    lab.connect("vm1")
    lab.connect("vm2")
    lab.resolve("vm1", "vm2")

    places, underlay_count = seen(lab.recording(), frames.arp_request(*VM1, VM2[1]))

    begin = ["vm1-ens19", "pve1-tap503i1", "pve1-EVPN1", "pve1-vxlan_EVPN1", "pve1-ens18"]
    end = ["pve2-ens18", "pve2-vxlan_EVPN1", "pve2-EVPN1", "pve2-tap504i1", "vm2-ens19"]
    assert places[:5] == begin
    assert [place for place in places if place in end] == end
    assert {"pve3-ens18", "pve4-ens18"} < set(places)
    assert underlay_count == 3 + 3  # leaving, and arriving


def test_a_proxied_reply_is_seen_by_the_vm_and_its_tap_only():
    """The VTEP answers on the port that the request came from; the request stays at tap and bridge."""
    lab = primed()
    lab.resolve("vm1", "vm2")
    recording = lab.recording()

    assert seen(recording, frames.arp_reply(*VM2, *VM1)) == (["pve1-tap503i1", "vm1-ens19"], 0)
    assert seen(recording, frames.arp_request(*VM1, VM2[1])) == (["vm1-ens19", "pve1-tap503i1", "pve1-EVPN1"], 0)
    assert recording.truth["resolutions"][0] | {"t": 0} == recording.truth["resolutions"][0] | {
        "t": 0,
        "requester": "vm1",
        "target": VM2[1],
        "protocol": "arp",
        "class": "suppressed",
        "answered_by": "pve1:proxy",
        "bgp_route_at_ingress": True,
    }


def test_a_gateway_reply_passes_the_bridge_device_and_teaches_the_vtep():
    """The reply is seen on the bridge device, tap and VM; about 50 ms later the MAC/IP route leaves."""
    lab = Simulation(small_fabric(2))
    lab.connect("vm1")
    lab.start_sessions()
    lab.resolve("vm1", "10.2.1.1")
    lab.wait(1)
    recording = lab.recording()

    places, _ = seen(recording, frames.arp_reply("bc:24:11:aa:aa:a1", "10.2.1.1", *VM1))
    route = bgp.mac_ip_route(RD, *VM1, vnis=(5001, 100001))
    sent = [record.captured_ns for record in recording.captures["pve1", "ens18"] if route in record.octets]
    (row,) = recording.truth["resolutions"]

    assert places == ["pve1-EVPN1", "pve1-tap503i1", "vm1-ens19"]
    assert (row["class"], row["answered_by"]) == ("learned", "pve1:EVPN1")
    assert len(sent) == 1
    assert 50_000_000 <= sent[0] - row["t_ns"] <= 51_000_000


def test_a_route_is_used_only_once_the_remote_kernel_has_it():
    """In the 60 ms between cause and kernel a request is flooded, afterwards suppressed."""
    lab = Simulation(small_fabric(2))
    lab.connect("vm1")
    lab.connect("vm2")
    lab.start_sessions()
    lab.announce("vm2", VM2[1])
    lab.wait(0.055)
    lab.resolve("vm1", "vm2")
    lab.wait(0.02)
    lab.resolve("vm1", "vm2")

    classes = [row["class"] for row in lab.recording().truth["resolutions"]]

    assert classes == ["flooded", "suppressed"]


def test_suppression_switched_off_floods_with_the_route_in_force():
    """The truth says that the route was there all the same."""
    lab = primed()
    lab.suppress("pve1", is_on=False)
    lab.resolve("vm1", "vm2")
    lab.resolve("vm2", "vm1")

    rows = lab.recording().truth["resolutions"]

    assert [(row["class"], row["bgp_route_at_ingress"]) for row in rows] == [("flooded", True), ("suppressed", True)]


def test_ageing_withdraws_five_minutes_after_the_last_frame():
    """All routes of the silent VM go, those of others stay, and the next request is flooded."""
    lab = primed()
    lab.ping("vm1", "vm2")
    lab.age_out("vm2")
    lab.wait(1)
    lab.resolve("vm1", "vm2")
    recording = lab.recording()

    gone = [event for event in recording.truth["macip_events"] if event["action"] == "withdraw"]
    last_ns = [one.captured_ns for one in recording.captures["vm2", "ens19"] if one.direction == 2][
        -2
    ]  # before its reply

    assert [(event["vtep"], event["mac"], event["ip"]) for event in gone] == [("pve2", VM2[0], ""), ("pve2", *VM2)]
    assert {event["t_ns"] - last_ns for event in gone} == {300 * SECOND}
    assert recording.truth["resolutions"][-1]["class"] == "flooded"


def test_disabling_ipv6_withdraws_one_family_to_all_peers_in_one_update():
    """MAC and IPv4 routes stay; each peer gets one message with every IPv6 route."""
    recording = SCENARIOS["planned-withdraw"]()
    message = bgp.withdraw(
        [bgp.mac_ip_route(RD, mac, frames.link_local(mac)) for mac in (VM1[0], VM1[0][:-1] + "3", VM1[0][:-1] + "4")]
    )

    arrivals = {
        host: sum(message in one.octets for one in recording.captures[host, "ens18"]) for host in ("pve2", "pve3")
    }

    assert arrivals == {"pve2": 1, "pve3": 1}


def test_a_move_raises_the_sequence_and_the_old_vtep_withdraws():
    """RARP crosses the fabric, the new VTEP announces sequence 1, afterwards frames come from there."""
    lab = primed()
    lab.move("vm2", "pve3", VM2[1])
    lab.wait(1)
    lab.resolve("vm1", "vm2")
    lab.ping("vm1", "vm2", count=1)
    recording = lab.recording()

    events = [(one["vtep"], one["action"], one["ip"], one["seq"]) for one in recording.truth["macip_events"][4:]]

    assert events == [
        ("pve3", "announce", "", 1),
        ("pve3", "announce", VM2[1], 1),
        ("pve2", "withdraw", "", 0),
        ("pve2", "withdraw", VM2[1], 0),
    ]
    assert "pve2-ens18" in seen(recording, frames.rarp_announcement(VM2[0]))[0]
    assert recording.truth["resolutions"][0]["class"] == "suppressed"
    assert recording.captures["pve3", "tap504i1"]


def test_probes_and_announcements_stay_at_home():
    """With suppression on they reach the bridge, not the overlay; without, they cross."""
    lab = primed()
    lab.probe("vm1", LL1[1])
    lab.announcement("vm1")
    lab.suppress("pve1", is_on=False)
    lab.probe("vm1", VM2[1])
    lab.solicit_routers("vm1")
    recording = lab.recording()

    assert [row["crossed_fabric"] for row in recording.truth["announcements"]] == [False, False, True, True]
    assert seen(recording, frames.arp_request(*VM1, VM1[1]))[1] == 0
    assert seen(recording, frames.arp_request(VM1[0], "0.0.0.0", VM2[1]))[1] == 4


def test_a_flooded_router_solicitation_teaches_remote_kernels_without_a_route():
    """Suppressed although no route says so: measured on Linux."""
    lab = Simulation(small_fabric(2, gateway=None))
    lab.connect("vm1")
    lab.connect("vm2")
    lab.start_sessions()
    lab.solicit_routers("vm2")
    lab.resolve("vm1", LL2[1])

    (row,) = lab.recording().truth["resolutions"]

    assert (row["class"], row["bgp_route_at_ingress"]) == ("suppressed", False)


def test_nobody_is_asked_three_times():
    """A request without an answer is repeated a second apart, and the truth counts one resolution."""
    lab = Simulation(small_fabric(2))
    lab.connect("vm1")
    assert lab.ping("vm1", "10.2.1.99") == 0
    recording = lab.recording()

    (row,) = recording.truth["resolutions"]

    assert (row["request_count"], row["answered_by"]) == (3, None)
    assert len(recording.captures["vm1", "ens19"]) == 3


def test_what_was_sent_before_the_capture_is_in_no_file():
    """Sessions and routes from before are in force, unseen."""
    lab = primed()
    lab.start_capture()
    lab.resolve("vm1", "vm2")
    recording = lab.recording()

    assert recording.truth["macip_events"] == []
    assert recording.truth["resolutions"][0]["class"] == "suppressed"
    assert min(one.captured_ns for records in recording.captures.values() for one in records) >= recording.started_ns


def test_the_same_calls_give_the_same_octets(tmp_path):
    """Two runs of every scenario write equal files; another seed does not."""
    for name, scenario in SCENARIOS.items():
        scenario().write(tmp_path / "one" / name)
        scenario().write(tmp_path / "two" / name)
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*")}
        for root in (tmp_path / "one", tmp_path / "two")
    )
    seeds = [primed(seed=seed).recording().captures for seed in (1, 2)]

    assert first == second
    assert seeds[0] != seeds[1]


def test_clock_errors_move_the_stamps_and_nothing_else():
    """Every stamp is the true time put through the host's clock: offset, drift and step as stated."""
    clocks = {"pve1": Clock(5_000_000, 20_000, -3_000_000, 2 * SECOND), "vm2": Clock(-SECOND, -35_000)}
    plain, wrong = (primed(clocks=chosen) for chosen in ({}, clocks))
    for lab in (plain, wrong):
        lab.ping("vm1", "vm2", count=3)
    true, stamped = plain.recording(), wrong.recording()

    for place, records in true.captures.items():
        begin_ns = true.fabric.start_ns
        clock = clocks.get(place[0], Clock())
        expected = [clock.reading(one.captured_ns, begin_ns) for one in records]
        assert [one.captured_ns for one in stamped.captures[place]] == expected, place
        assert [one.octets for one in stamped.captures[place]] == [one.octets for one in records], place
    assert true.truth == stamped.truth


def test_skew_states_the_formula_that_was_used(tmp_path):
    """skew.json's formula gives what the clocks showed, to the microsecond that floats allow."""
    clock = Clock(5_000_000, 20_000, -3_000_000, 2 * SECOND)
    lab = primed(clocks={"pve1": clock})
    lab.resolve("vm1", "vm2")
    lab.recording().write(tmp_path, points=["pve1"])
    skew = json.loads((tmp_path / "skew.json").read_text())
    words, begin_ns = skew["hosts"]["pve1"], lab.fabric.start_ns

    for elapsed in (0.5, 60.0):
        step = words["step_s"] * (elapsed >= words["step_at_s"])
        formula = skew["t0"] + elapsed + words["offset_s"] + words["drift_ppm"] * 1e-6 * elapsed + step
        assert clock.reading(begin_ns + round(elapsed * SECOND), begin_ns) / SECOND == pytest.approx(formula, abs=1e-6)
    assert sorted(path.name for path in tmp_path.glob("*.pcap")) == [
        f"pve1-{one}.pcap" for one in ("EVPN1", "ens18", "tap503i1")
    ]


def test_offset_between_two_hosts_is_that_of_their_clocks():
    """offset_ns is what an analysis should find: clock(host) - clock(reference)."""
    recording = primed(clocks={"vm1": Clock(100, 1000), "vm2": Clock(-50)}).recording()
    moment = recording.fabric.start_ns + 10 * SECOND

    assert recording.offset_ns("vm1", "vm2", moment) == 150 + 10_000


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["resolve", "ping"]),
        st.sampled_from(["vm1", "vm2"]),
        st.sampled_from(["vm1", "vm2", "10.2.1.1"]),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(actions=ACTIONS, seed=st.integers(0, 1000))
def test_nothing_arrives_before_it_was_sent(actions, seed):
    """On right clocks the underlay delays every frame by at least its floor, and every row of the truth was seen."""
    lab = primed(2, seed=seed)
    for what, vm, target in [action for action in actions if action[1] != action[2]]:
        getattr(lab, what)(vm, target)
    lab.wait(20)
    recording = lab.recording()
    sides = [recording.captures[host, "ens18"] for host in ("pve1", "pve2")]

    for sender, receiver in (sides, sides[::-1]):
        sent = [one for one in sender if one.direction == 2]
        arrived = [one for one in receiver if one.direction == 1]
        assert sorted(one.octets for one in sent) == sorted(one.octets for one in arrived)
        delays = [late.captured_ns - early.captured_ns for early, late in zip(sent, arrived, strict=True)]
        assert (
            min(delays) >= recording.fabric.underlay_floor_ns // 2
        )  # order of arrival may differ from that of sending
    for row in recording.truth["resolutions"]:
        assert row["t_ns"] in [one.captured_ns for one in recording.captures[row["requester"], "ens19"]]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_tcp_streams_have_no_holes(seed):
    """Each direction's payloads follow one another in sequence numbers, at both ends."""
    lab = primed(2, seed=seed)
    lab.ping("vm1", "10.2.1.1")
    lab.wait(30)
    recording = lab.recording()

    for host in ("pve1", "pve2"):
        for port in (bgp.PORT, 40000 + sum(map(ord, "pve1pve2"))):
            segments = [one.octets for one in recording.captures[host, "ens18"] if one.octets[23] == 6]
            mine = [one for one in segments if unpack_from("!H", one, 34)[0] == port and len(one) > 54]
            numbers = [(unpack_from("!I", one, 38)[0], len(one) - 54) for one in mine]
            assert [first + length for first, length in numbers[:-1]] == [first for first, _ in numbers[1:]]
