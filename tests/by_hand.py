"""An analysis written by hand, so that reports are tested without the stages that fill them."""

from dataclasses import replace

from evpn_pcap import columns
from evpn_pcap.addresses import frame_id
from evpn_pcap.model import (
    FOREVER,
    Analysis,
    Capture,
    ClockFit,
    ClockStep,
    Finding,
    Quality,
    Severity,
    Tables,
)
from evpn_pcap.summary import summarize

START_NS = 1_795_341_600_123_456_789  # 2026-11-22T10:00:00.123456789Z
VM1_MAC, VM2_MAC, GATEWAY_MAC = 0xBC2411000001, 0xBC2411000002, 0x02AABBCCDD01


def table(declared, rows, **common):
    """Return rows of a table: what a row does not give is `common`, else missing."""
    names = [column.name for column in declared.columns]
    filled = [dict.fromkeys(names) | common | row for row in rows]
    return declared.build({name: [row[name] for row in filled] for name in names})


def resolution_rows():
    """Return one resolution of each outcome, a probe and a refresh."""
    common = {"kind": "resolution", "protocol": "arp", "vni": 5001, "ingress_vtep": "192.168.16.1"}
    common |= {"requester_mac": VM1_MAC}
    common |= {"requester_ip": "10.2.1.11", "target_ip": "10.2.1.12", "target_mac": VM2_MAC, "margin_ns": 4000}
    common |= {
        "request_count": 1,
        "fabric_copy_count": 0,
        "fabric_byte_count": 0,
        "route_state": "not in force",
        "route_effect": "none",
    }
    common |= {"aftermath": "answered", "assumptions": (), "requester_host": "vm1", "answered_by": "target"}
    v6 = {"protocol": "nd", "requester_ip": "fe80::1", "target_ip": "fe80::2"}
    rows = [
        {
            "outcome": "flooded",
            "reason": "no-neighbour",
            "latency_ns": 451_000,
            "fabric_copy_count": 3,
            "fabric_byte_count": 276,
            "frame_ids": _frames(1, 5),
        },
        {
            "outcome": "learned",
            "reason": "gateway",
            "answered_by": "gateway",
            "target_ip": "10.2.1.1",
            "frame_ids": _frames(9, 2),
        },
        {
            "outcome": "suppressed",
            "reason": "proxied",
            "answered_by": "proxy",
            "latency_ns": 99_000,
            "frame_ids": _frames(20, 2),
            "route_state": "in force",
        },
        {
            "outcome": "suppressed",
            "reason": "proxied",
            "answered_by": "proxy",
            "latency_ns": 27_000,
            "frame_ids": _frames(30, 2),
        }
        | v6,
        {
            "outcome": "undecided",
            "undecided_reason": "pve1 was not captured",
            "likely": "suppressed",
            "answered_by": "unknown",
            "route_state": "unknown",
            "margin_ns": FOREVER,
            "assumptions": ("vm1 and vm2 sit behind different VTEPs", "b"),
        }
        | v6,
        {
            "kind": "probe",
            "outcome": "suppressed",
            "reason": "probe-dropped",
            "requester_ip": None,
            "answered_by": "none",
        },
        {
            "kind": "refresh",
            "outcome": "flooded",
            "reason": "unicast-forwarded",
            "fabric_copy_count": 1,
            "fabric_byte_count": 92,
        },
    ]
    at = [0, 2_000_000_000, 4_000_000_000, 5_500_000_000, 7_000_000_000, 8_000_000_000, 9_250_000_000]
    told = [{"frame_ids": (), "id": index + 1, "time_ns": START_NS + at[index]} | row for index, row in enumerate(rows)]
    return [common | row for row in told]


def routes():
    """Return a MAC-only route, two MAC/IP routes, an IMET and an IP prefix route at one receiver."""
    common = {
        "receiver_ip": "192.168.16.1",
        "sender_ip": "192.168.16.4",
        "next_hop": "192.168.16.4",
        "rd": "192.168.16.4:2",
    }
    common |= {
        "ethernet_tag": 0,
        "vni": 5001,
        "route_targets": "65001:5001",
        "mobility_sequence": 0,
        "encapsulation": 8,
    }
    common |= {
        "withdrawn_ns": FOREVER,
        "margin_ns": 4000,
        "withdraw_margin_ns": 0,
        "is_preexisting": False,
        "refresh_ns": (),
        "outranked_ns": (),
        "refused_ns": (),
        "stale_ns": (),
    }
    common |= {"is_sticky": False, "is_default_gateway": False, "frame_ids": _frames(3, 1)}
    rows = [
        {"route_type": 2, "mac": VM2_MAC, "advertised_ns": START_NS - 5_000_000_000, "is_preexisting": True},
        {
            "route_type": 2,
            "mac": VM2_MAC,
            "ip": "10.2.1.12",
            "advertised_ns": START_NS + 2_500_000_000,
            "l3_vni": 10000,
            "router_mac": GATEWAY_MAC,
            "route_targets": "65001:10000 65001:5001",
            "mobility_sequence": 1,
        },
        {
            "route_type": 2,
            "mac": VM2_MAC,
            "ip": "fe80::2",
            "advertised_ns": START_NS - 5_000_000_000,
            "nd_flags": "RO",
            "withdrawn_ns": START_NS + 6_000_000_000,
            "withdraw_margin_ns": 4000,
        },
        {"route_type": 3, "ip": "192.168.16.4", "vni": None, "advertised_ns": START_NS - 5_000_000_000},
        {
            "route_type": 5,
            "prefix": "10.2.1.0/24",
            "rd": "192.168.16.10:3",
            "l3_vni": 10000,
            "vni": None,
            "advertised_ns": START_NS - 5_000_000_000,
        },
    ]
    return table(columns.ROUTES, [{"route_id": index} | row for index, row in enumerate(rows)], **common)


def flood_costs():
    """Return the cost of the flooded resolution and refresh, and of unknown unicast; the underlay was not captured."""
    counts = ("request_count", "copy_count", "byte_count", "savable_copy_count", "savable_byte_count")
    common = {"vni": 5001, "requester_mac": VM1_MAC, "requester_ip": "10.2.1.11", "target_ip": "10.2.1.12"}
    kinds = [
        ({"kind": "unknown unicast", "target_mac": VM2_MAC}, (2, 6, 888, 4, 592)),
        ({"kind": "resolution", "protocol": "arp", "reason": "no-neighbour"}, (1, 3, 276, 3, 276)),
        ({"kind": "refresh", "protocol": "arp", "reason": "unicast-forwarded"}, (1, 1, 92, 0, 0)),
    ]
    rows = [told | dict(zip(counts, figures, strict=True)) for told, figures in kinds]
    return table(columns.FLOOD_COSTS, rows, **common)


def tables(**other):
    """Return every table: resolutions and routes filled, the rest empty unless given."""
    names = (
        "interfaces",
        "points",
        "packets",
        "anchors",
        "events",
        "updates",
        "snapshots",
        "sessions",
        "flows",
        "aftermaths",
        "anomalies",
        "clock_pairs",
        "clock_traces",
    )
    empty = {name: getattr(columns, name.upper()).empty() for name in names}
    filled = {"resolutions": table(columns.RESOLUTIONS, resolution_rows()), "routes": routes()}
    filled |= {"flood_costs": flood_costs()}
    return Tables(**(empty | filled | other))


def capture(**other):
    """Return one capture, accounted for."""
    told = Capture(
        capture_id=0,
        name="pve1-ens18.pcap",
        host="pve1",
        point="ens18",
        role="underlay",
        file_type="pcap",
        link_types=(1,),
        packet_count=120,
        byte_count=9000,
        decoded_count=118,
        skipped={"vxlan.truncated": 2},
        first_ns=START_NS,
        last_ns=START_NS + 10**10,
        is_truncated=False,
        dropped_count=None,
    )
    return replace(told, **other)


def finding(**other):
    """Return one finding."""
    told = Finding(
        code="EVP001",
        name="no-svi-address",
        severity=Severity.HIGH,
        vni=5001,
        title="no SVI address",
        cause="none in that family",
        advice="add the subnet",
        rivals="routes not imported",
        would_decide="a capture at pve4",
        resolution_ids=(1,),
        frame_ids=_frames(1, 5),
        margin_ns=45_000,
        fingerprint="0011223344556677",
    )
    return replace(told, **other)


def analysis(**other):
    """Return an analysis of two captures on two hosts; vm9 is not aligned."""
    clocks = (
        ClockFit("vm9", "pve1", Quality.UNALIGNABLE, None, None, None, None, 0),
        ClockFit("pve1", "pve1", Quality.REFERENCE, START_NS, 0, 0.0, 0, 40),
        ClockFit("vm1", "pve1", Quality.ACCURATE, START_NS, -102_512_345, 1.25, 4000, 40, steps=(ClockStep(1, 2, -3),)),
    )
    told = tables()
    captures = (capture(capture_id=1, name="vm1.pcap", host="vm1", point="", role="vm", is_truncated=True), capture())
    findings = (finding(severity=Severity.LOW, code="EVP900"), finding())
    found = Analysis(captures, clocks, told, findings, summarize(told.resolutions, told.flood_costs))
    return replace(found, **other)


def _frames(first, count):
    return tuple(frame_id(0, first + index) for index in range(count))
