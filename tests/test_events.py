"""What each ARP, RARP or ND frame says, which frames are one transmission, and which requests are one row."""

import pytest

import evpn_pcap
from evpn_pcap import synth
from evpn_pcap.synth import frames

MAC_1, MAC_2, IP_1, IP_2 = "bc:24:11:00:00:01", "bc:24:11:00:00:02", "10.2.1.11", "10.2.1.12"
LINK_1, LINK_2 = frames.link_local(MAC_1), frames.link_local(MAC_2)
NOON_NS = 1_768_478_400_000_000_000
SECOND_NS = 1_000_000_000
REQUEST = frames.arp_request(MAC_1, IP_1, IP_2)
REPLY = frames.arp_reply(MAC_2, IP_2, MAC_1, IP_1)


def told(folder, *records, host="vm1"):
    """Return the analysis of one capture: (seconds after noon, octets) each."""
    path = folder / f"{host}-ens19.pcap"
    synth.write_pcap(path, [synth.Record(NOON_NS + round(at * SECOND_NS), octets) for at, octets in records])
    return evpn_pcap.analyze([folder]).tables


FRAMES = {
    "ARP request to everybody": (REQUEST, "request", "resolution"),
    "ARP request to one machine": (frames.arp_request(MAC_1, IP_1, IP_2, MAC_2), "request", "refresh"),
    "ARP probe (RFC 5227)": (frames.arp_request(MAC_1, "0.0.0.0", IP_2), "request", "probe"),
    "ARP announcement, request form": (frames.arp_request(MAC_1, IP_1, IP_1), "announcement", "announcement"),
    "ARP announcement, reply form": (frames.arp_reply(MAC_1, IP_1, MAC_1, IP_1), "announcement", "announcement"),
    "ARP reply": (REPLY, "reply", None),
    "RARP after a migration": (frames.rarp_announcement(MAC_1), "announcement", "announcement"),
    "NS to a group": (frames.neighbour_solicitation(MAC_1, LINK_1, LINK_2), "request", "resolution"),
    "NS to one machine": (
        frames.neighbour_solicitation(MAC_1, LINK_1, LINK_2, (MAC_2, LINK_2)),
        "request",
        "refresh",
    ),
    "NS of duplicate address detection": (frames.neighbour_solicitation(MAC_1, "::", LINK_1), "request", "probe"),
    "RS": (frames.router_solicitation(MAC_1, LINK_1), "rs", None),
}


@pytest.mark.parametrize("name", FRAMES)
def test_kinds_of_frames(tmp_path, name):
    """Each frame is the message and the kind of request that RFC 826, 4861, 5227 and 903 make it."""
    octets, message, kind = FRAMES[name]

    event = told(tmp_path, (0, octets)).events.iloc[0]

    assert (event["message"], event[["kind"]].fillna("none").item()) == (message, kind or "none")


def test_answers_say_for_whom_and_what(tmp_path):
    """A reply tells the owner's MAC for the address asked, and whom it is meant for."""
    reply = told(tmp_path, (0, REQUEST), (0.001, REPLY)).events.iloc[1]

    assert (reply["target_ip"], reply["requester_ip"]) == (IP_2, IP_1)
    assert (reply["told_mac"], reply["requester_mac"]) == (0xBC2411000002, 0xBC2411000001)


def rows(tables):
    return tables.resolutions["request_count"].tolist()


def test_retries_are_one_row(tmp_path):
    """Repeats without an answer, each within 3 s of the last, are one row."""
    tables = told(tmp_path, (0, REQUEST), (1, REQUEST), (3.9, REQUEST))

    assert rows(tables) == [3]
    assert tables.events["transmission_id"].nunique() == 3


def test_an_answer_ends_a_row(tmp_path):
    """What is asked again after an answer is another row."""
    tables = told(tmp_path, (0, REQUEST), (0.001, REPLY), (1, REQUEST), (2, REQUEST))

    assert rows(tables) == [1, 2]
    assert tables.resolutions["latency_ns"].tolist()[0] == 1_000_000


def test_use_of_the_address_ends_a_row(tmp_path):
    """Who sends to the address has had its answer, seen or not."""
    ping = frames.echo((MAC_1, IP_1), (MAC_2, IP_2), 1, 1)

    assert rows(told(tmp_path, (0, REQUEST), (0.5, ping), (1, REQUEST))) == [1, 1]


def test_three_seconds_of_silence_end_a_row(tmp_path):
    """A repeat later than 3 s is another row."""
    assert rows(told(tmp_path, (0, REQUEST), (3.1, REQUEST))) == [1, 1]


def test_unicast_and_broadcast_requests_are_not_mixed(tmp_path):
    """A refresh is a row of its own beside a resolution of the same address."""
    refresh = frames.arp_request(MAC_1, IP_1, IP_2, MAC_2)

    tables = told(tmp_path, (0, REQUEST), (1, refresh), (2, REQUEST))

    assert sorted(zip(tables.resolutions["kind"], rows(tables), strict=True)) == [("refresh", 1), ("resolution", 2)]


def test_one_place_that_shows_a_frame_twice_shows_two_transmissions(tmp_path):
    """A double reply within a millisecond is two transmissions, although the octets are the same."""
    tables = told(tmp_path, (0, REQUEST), (0.0001, REPLY), (0.0009, REPLY))

    assert tables.events["transmission_id"].nunique() == 3
    assert tables.resolutions["latency_ns"].tolist() == [100_000]


def test_the_same_frame_in_two_files_of_a_host_is_one_transmission(tmp_path):
    """Two captures of one host, some microseconds apart, show one request."""
    synth.write_pcap(tmp_path / "pve1-tap1.pcap", [synth.Record(NOON_NS, REQUEST)])
    synth.write_pcap(tmp_path / "pve1-EVPN1.pcap", [synth.Record(NOON_NS + 7_000, REQUEST)])

    tables = evpn_pcap.analyze([tmp_path]).tables

    assert tables.events["transmission_id"].tolist() == [0, 0]
    assert rows(tables) == [1]


def test_hosts_that_are_not_aligned_are_not_joined(tmp_path):
    """Without packets both ways two hosts share no time: one's request is not another sighting of the other's."""
    for host in ("vm1", "vm2"):
        synth.write_pcap(tmp_path / f"{host}.pcap", [synth.Record(NOON_NS, REQUEST)])

    tables = evpn_pcap.analyze([tmp_path]).tables

    assert tables.events["transmission_id"].nunique() == 2
    assert tables.resolutions["outcome"].tolist() == ["undecided"]  # shown once, not once for each host
