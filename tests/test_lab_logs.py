"""What the lab reads in FRR's logs and of frames: what was refused, when a table ended, what taught a VTEP a MAC."""

import pytest

from samples.lab.neighbours import Neighbours
from samples.lab.receipts import Refusals, has_updates, table_ends
from samples.lab.routes import Print
from samples.lab.triggers import settled

PREFIX = "[2]:[0]:[48]:[bc:24:11:00:00:02]:[32]:[10.2.1.12]"
ACCEPTED = f"192.168.16.4(pve4) rcvd RD 192.168.16.4:2 {PREFIX} label 5001/100001 l2vpn evpn"
DENIED = f"192.168.16.4(pve4) rcvd UPDATE about RD 192.168.16.4:2 {PREFIX} l2vpn evpn -- DENIED due to: route-map;"
ENDED = "bgp_update_receive: rcvd End-of-RIB for L2VPN EVPN from 192.168.16.4 in vrf default"
DAY_NS = 1_795_737_600_000_000_000  # 2026-11-27T00:00:00Z
S = 1_000_000_000


def log(folder, *lines):
    """Write pve1's log: (second of the day, text)."""
    text = "".join(f"2026/11/27 00:00:{second:02}.000000 BGP: [X] {words}\n" for second, words in lines)
    (folder / "pve1-frr.log").write_text(text)
    return folder / "pve1-frr.log"


@pytest.mark.parametrize(
    ("lines", "is_refused"),
    [
        ([(1, DENIED)], True),
        ([(1, ACCEPTED), (2, DENIED)], True),
        ([(1, DENIED), (2, ACCEPTED)], False),
        ([(1, DENIED), (11, ACCEPTED)], False),  # while the print was made
        ([(1, DENIED), (20, ACCEPTED)], True),
        ([(20, DENIED)], False),
        ([(1, DENIED.replace("16.4(pve4)", "16.3(pve3)"))], False),
        ([], False),
    ],
)
def test_what_a_bgpd_logs_as_denied_is_refused(lines, is_refused, tmp_path):
    """The last that a host's bgpd logged of a sender's route decides, and all that it logged during the print."""
    span = Print("pve1", DAY_NS + 10 * S, DAY_NS + 12 * S, tmp_path, frozenset())

    refusals = Refusals(log(tmp_path, *lines))

    assert refusals.is_refused(["192.168.16.4"], "192.168.16.4:2", PREFIX, span) == is_refused


def test_when_a_first_table_ended(tmp_path):
    """The first End-of-RIB that any host logged of a speaker ends its first table."""
    log(tmp_path, (3, ENDED), (9, ENDED))

    assert table_ends(tmp_path) == {"192.168.16.4": DAY_NS + 3 * S}


@pytest.mark.parametrize(("since", "until", "has_any"), [(0, 4, True), (6, 9, False)])
def test_updates_between_two_moments(since, until, has_any, tmp_path):
    """Routes sent or received are found in the span, and nothing else is taken for one."""
    path = log(tmp_path, (3, ACCEPTED), (7, ENDED))

    assert has_updates(path, DAY_NS + since * S, DAY_NS + until * S) == has_any


@pytest.mark.parametrize(("interface", "t_ns"), [("tap503i1", DAY_NS), ("vxlan_EVPN1", DAY_NS + 9)])
def test_what_came_over_the_fabric_makes_no_mac_a_vteps_own(interface, t_ns, tmp_path):
    """Of two frames of a MAC the first is its trigger; if that came through the tunnel, the one at the port is."""
    event = {"vtep": "pve1", "mac": "m", "ip": "", "t_ns": DAY_NS + 20}
    event["trigger"] = {"t_ns": DAY_NS, "op": "arp-request", "interface": interface}
    later = {"vtep": "pve1", "mac": "m", "frame": "arp-request", "t_ns": DAY_NS + 9}
    truth = {"ports": {"vm1": {"vtep": "pve1", "tap": "tap503i1"}}, "resolutions": [], "unicast_probes": []}

    found = settled(event, truth | {"announcements": [later]}, Neighbours(tmp_path, {}))

    assert found["t_ns"] == t_ns
