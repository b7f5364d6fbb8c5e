"""Journeys, logs and counters of a run become truth.json: what happened, in the form that README.md describes."""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from ipaddress import ip_address
from typing import Any

from samples.lab import bridges, updates
from samples.lab.agreement import disagreements
from samples.lab.answers import REPEAT_NS, answer, answer_svis
from samples.lab.capturing import WAYS
from samples.lab.neighbours import Neighbours
from samples.lab.routing import address
from samples.lab.story import Scenario
from samples.lab.tracing import Journeys, Sighting
from samples.lab.triggers import TRIGGER_NS, notice_ns, trigger
from samples.lab.witness import Deed, Witnesses
from samples.lab.witness.reading import UNSPECIFIED
from samples.lab.world import World

REQUESTS = ("arp-request", "ns")
Row = dict[str, Any]


def make_truth(world: World, witnesses: Witnesses, scenario: Scenario, drops: dict[str, int], end_ns: int) -> Row:
    """Return the truth of a run that has ended; `drops` is what the capture programs say they lost."""
    return _Truth(world, witnesses).whole(scenario, drops, end_ns)


class _Truth:
    def __init__(self, world: World, witnesses: Witnesses) -> None:
        self.world, self.fabric, self.witnesses = world, world.fabric, witnesses
        self.taps = {guest.name: guest.tap for _, guests in witnesses.guests for guest in guests.values()}
        self.journeys = Journeys(witnesses.seen, self.fabric, world.homes, self.taps)
        self.macips, self.updates = {}, {}
        for vtep in self.fabric.vteps:
            self.macips[vtep], self.updates[vtep] = updates.read_log(vtep, witnesses.evidence / f"{vtep}-frr.log")
        self.held = updates.held(one for found in self.macips.values() for one in found)
        self.neighbours = Neighbours(witnesses.evidence, self.fabric.vteps)
        self.guests_since = [since_ns for since_ns, _ in witnesses.guests]

    def whole(self, scenario: Scenario, drops: dict[str, int], end_ns: int) -> Row:
        asked, announcements = self._asked_and_announced()
        self.unasked = answer(asked, self.journeys, list(self.taps))
        probes = [row for row in asked if row["is_unicast"]]
        resolutions = self._resolutions([row for row in asked if not row["is_unicast"]])
        truth = {
            "scenario": scenario.name,
            "fabric": self.fabric.name,
            "story": scenario.story,
            "made_for": list(scenario.made_for),
            "also_shows": [*scenario.also_shows, *self.fabric.also_shows],
            "lab_start": _seconds(self.world.start_ns),
            "lab_end": _seconds(end_ns),
            "time_base": "one real clock for all files (CLOCK_REALTIME epoch seconds; t_ns the same in ns)",
            "capture": {"way": scenario.capture, "filter": WAYS[scenario.capture].filter},
            "vteps": {name: address(self.fabric, name) for name in self.fabric.vteps},
            "vxlan_port": self.fabric.vxlan_port,
            "vnis": {vnet.name: vnet.vni for vnet in self.fabric.vnets},
            "vms": self._vms(),
            "homes": [{"t": _seconds(at), "t_ns": at, "vm": vm, "vtep": vtep} for at, vm, vtep in self.world.homes],
            "ifindex": {
                host: {str(index): name for index, name in sorted(found.items())}
                for host, found in self.witnesses.indexes.items()
            },
            "ports": {vm: {"vtep": self.world.guests[vm].vtep, "tap": tap} for vm, tap in self.taps.items()},
            "bridge_addresses": self._bridge_addresses(),
            "classes": dict(Counter(row["class"] for row in resolutions)),
            "timeline": [{"t": _seconds(at), "what": what} for at, what in self.world.timeline],
            "resolutions": resolutions,
            "unicast_probes": [_without(row, "is_unicast", "content_key") for row in probes],
            "svi_requests": self._svi_requests(),
            "announcements": announcements,
            "unasked_answers": self.unasked,
            "macip_events": self._macip_events(),
            "driven": [self._driven(deed, resolutions) for deed in self.witnesses.deeds],
            "nft_readings": self._readings(),
            "witness_drops": self.witnesses.lost,
            "nft_missing": self.witnesses.uncounted,
            "packets_dropped_by_capture": {file: count for file, count in drops.items() if count},
        }
        return truth | {"disagreements_between_witnesses": disagreements(truth)}

    def _asked_and_announced(self) -> tuple[list[Row], list[Row]]:
        asked, announced = [], []
        for vm, sent in self.journeys.sent_by_guests():
            op = "echo" if self._is_echo(vm, sent) else _operation(sent)
            if op == "request":
                asked.append(self._request(vm, sent))
            elif op:
                announced.append(self._announcement(vm, sent, op))
        return asked, announced

    def _is_echo(self, vm: str, sent: Sighting) -> bool:
        """Return whether a guest sent another one's frame back: no request of its own."""
        is_foreign = sent.frame.source_mac != self._guests(sent.time_ns)[vm].mac
        return is_foreign and sent.frame.name in REQUESTS and self.journeys.is_echo(vm, sent)

    def _request(self, vm: str, sent: Sighting) -> Row:
        frame, vtep = sent.frame, self.journeys.home(vm, sent.time_ns)
        guest = self._guests(sent.time_ns)[vm]
        return (
            _times(sent.time_ns)
            | {
                "requester": vm,
                "requester_ip": frame.sender_ip,
                "requester_mac": frame.source_mac,
                "vtep": vtep,
                "vnet": guest.vnet,
                "vni": guest.vni,
                "protocol": frame.protocol,
                "target": frame.target_ip,
                "l2dst": frame.destination_mac,
                "is_unicast": not frame.is_multicast,
            }
            | self._journey(sent, vtep, vm)
            | {
                "answers": [],
                "ingress_neigh": self.neighbours.at(vtep, self._svi(guest.vnet), frame.target_ip, sent.time_ns),
                "bgp_route_at_ingress": self._is_held(vtep, guest.vni, frame.target_ip, sent.time_ns),
            }
        )

    def _journey(self, sent: Sighting, vtep: str, by: str) -> Row:
        """Return where a frame went: copies on the underlay, deliveries, and every interface that saw it."""
        seen = self.journeys.after(sent)
        copies = self.journeys.copies(sent, by)
        return {
            "underlay_copies": [f"{_tunnel(one)} vni {one.frame.vni}" for one in copies],
            "vxlan_port_tx": sum(one.role == "vxlan" and one.is_outgoing and one.host == vtep for one in seen),
            "delivered_to": self.journeys.deliveries(sent, by),
            "seen_at": sorted({f"{one.host}:{one.interface}" for one in (sent, *seen)}),
        }

    def _announcement(self, vm: str, sent: Sighting, op: str) -> Row:
        vtep, frame = self.journeys.home(vm, sent.time_ns), sent.frame
        told = frame.target_ip if op in ("dad", "probe", "na", "echo") else frame.sender_ip
        journey = self._journey(sent, vtep, vm)
        row = {
            "vm": vm,
            "vtep": vtep,
            "op": op,
            "frame": frame.name,
            "protocol": frame.protocol,
            "address": "" if op == "rarp" else told,
        }
        own = {"mac": frame.source_mac, "crossed_fabric": bool(journey["underlay_copies"])}
        return _times(sent.time_ns) | row | own | journey

    def _resolutions(self, asked: list[Row]) -> list[Row]:
        """Return one row for each request and its repeats."""
        groups: dict[tuple, list[list[Row]]] = defaultdict(list)
        for row in asked:
            same = groups[tuple(row[name] for name in ("vni", "requester", "requester_mac", "requester_ip", "target"))]
            is_repeat = same and not same[-1][-1]["answers"] and row["t_ns"] - same[-1][-1]["t_ns"] <= REPEAT_NS
            if is_repeat:
                same[-1].append(row)
            else:
                same.append([row])
        told = [self._resolution(rows) for same in groups.values() for rows in same]
        return sorted(told, key=lambda row: (row["t_ns"], row["requester"], row["target"]))

    def _resolution(self, requests: list[Row]) -> Row:
        first = requests[0]
        kept = ("requester", "requester_ip", "requester_mac", "vtep", "vnet", "vni", "protocol", "target", "t", "t_ns")
        answers = [answer for row in requests for answer in row["answers"]]
        by = answers[0]["by"] if answers else None
        is_flooded = any(row["underlay_copies"] for row in requests)
        path = "flooded" if is_flooded else _path(by, first["vtep"], self._svi(first["vnet"]))
        owners = {
            guest.name: self.journeys.home(guest.name, first["t_ns"])
            for guest in self._guests(first["t_ns"]).values()
            if guest.vni == first["vni"] and first["target"] in (*guest.ipv4, *guest.ipv6, guest.link_local)
        }
        row = {name: first[name] for name in kept}
        row["requests"] = [_without(one, *kept[:8], "is_unicast") | {"unicast": False} for one in requests]
        row |= {
            "path": path,
            "class": {"gateway": "learned", "flooded": "flooded"}.get(path, "suppressed"),
            "answered_by": by,
            "answered": bool(answers),
            "reply_count": len(answers),
            "reply_delay_us": (answers[0]["t_ns"] - first["t_ns"]) // 1000 if answers else None,
            "request_on_underlay": is_flooded,
            "target_owners": owners,
            "bgp_route_at_ingress": first["bgp_route_at_ingress"],
            "kernel_neigh_at_ingress": first["ingress_neigh"],
        }
        if is_flooded and row["bgp_route_at_ingress"]:
            row["note"] = "flooded although the ingress VTEP had the MAC+IP route"
        return row

    def _svi_requests(self) -> list[Row]:
        rows = []
        for sent in self.journeys.vteps_own():
            if sent.frame.name not in REQUESTS:
                continue
            (vnet,) = (one for one in self.fabric.vnets if self._svi(one.name) == sent.interface)
            journey = self._journey(sent, sent.host, f"{sent.host}:{sent.interface}")
            is_dad = sent.frame.sender_ip in UNSPECIFIED
            row = {
                "vtep": sent.host,
                "vnet": vnet.name,
                "vni": vnet.vni,
                "op": "dad" if is_dad else sent.frame.name,
                "protocol": sent.frame.protocol,
                "mac": sent.frame.source_mac,
                "from": sent.frame.sender_ip,
                "target": sent.frame.target_ip,
                "unicast": not sent.frame.is_multicast,
                "crossed_fabric": bool(journey["underlay_copies"]),
            }
            rows.append(_times(sent.time_ns) | row | journey | {"answers": []})
        answer_svis(rows, self.journeys)
        return rows

    def _macip_events(self) -> list[Row]:
        rows = []
        for vtep, macips in self.macips.items():
            in_force: set[tuple[int, str, str]] = set()
            for one in (macip for macip in macips if macip.is_own):
                key = one.vni, one.mac, one.ip
                route = updates.route_of(one.mac, one.ip)
                sent = [u for u in self.updates[vtep] if u.route == route and u.action == one.action]
                later = next((u.time_ns for u in sent if 0 <= u.time_ns - one.time_ns <= 1_000_000_000), None)
                is_refresh = one.action == "announce" and key in in_force
                row = {
                    "vtep": vtep,
                    "action": one.action,
                    "mac": one.mac,
                    "ip": one.ip,
                    "seq": one.sequence,
                    "vni": one.vni,
                    "trigger": self._trigger(vtep, one) if one.action == "announce" else None,
                    "refresh": is_refresh,
                    "route": route,
                    "update_formatted_t": None if is_refresh or later is None else _seconds(later),
                }
                rows.append(_times(one.time_ns) | row)
                (in_force.add if one.action == "announce" else in_force.discard)(key)
        return sorted(rows, key=lambda row: row["t_ns"])

    def _trigger(self, vtep: str, one: updates.Macip) -> Row | None:
        """Return the frame after which the VTEP told of an address, of those that came in by a port and name it.

        What comes in over the fabric makes no MAC the VTEP's own.
        """
        heard_ns = notice_ns(self.neighbours, vtep, one.mac, one.ip, one.time_ns) if one.ip else one.time_ns
        rows = [
            _times(seen.time_ns)
            | {"op": seen.frame.name, "target": seen.frame.target_ip or None, "l2dst": seen.frame.destination_mac}
            | {"interface": seen.interface}
            for seen in self.journeys.entered(vtep, one.time_ns - TRIGGER_NS, one.time_ns)
            if seen.role == "tap" and seen.frame.source_mac == one.mac and one.ip in ("", _told_ip(seen))
        ]
        return trigger(rows, one.ip, heard_ns, one.time_ns)

    def _driven(self, deed: Deed, resolutions: list[Row]) -> Row:
        begin_ns, end_ns = deed.details["t_ns"], deed.details["end_ns"]
        told = {name: value for name, value in deed.details.items() if name not in ("t_ns", "end_ns")}
        before = {host: one.counts for host, one in deed.before.items()}
        changes = {host: _changes(before.get(host, {}), one.counts) for host, one in deed.after.items()}
        inside = [row for row in resolutions if begin_ns <= row["t_ns"] <= end_ns]
        mine = [row for row in inside if "vm" not in told or told["vm"] == row["requester"]]
        return {
            "t0": _seconds(begin_ns),
            "t1": _seconds(end_ns),
            "t0_ns": begin_ns,
            "t1_ns": end_ns,
            "what": deed.what,
            **told,
            "nft_counter_deltas": {host: changed for host, changed in changes.items() if changed},
            "derived": [row["path"] for row in mine],
        }

    def _readings(self) -> list[Row]:
        """Return every reading of the counters, as changes since the one before."""
        told = [(deed.before, f"before {deed.what}") for deed in self.witnesses.deeds]
        told += [(deed.after, f"after {deed.what}") for deed in self.witnesses.deeds]
        spans = [(min(one.begin_ns for one in read.values()), read, when) for read, when in told if read]
        last: dict[str, Row] = {}
        rows = []
        for begin_ns, read, when in sorted(spans, key=lambda span: span[0]):
            deltas = {host: _changes(last.get(host, {}), one.counts) for host, one in read.items()}
            last |= {host: one.counts for host, one in read.items()}
            end_ns = max(one.end_ns for one in read.values())
            kept = {host: changed for host, changed in deltas.items() if changed}
            rows.append({"when": when, "begin_ns": begin_ns, "end_ns": end_ns, "deltas": kept})
        return rows

    def _vms(self) -> Row:
        found = {}
        for guest in self.world.guests.values():
            found[guest.name] = {
                "mac": guest.mac,
                "ipv4": ", ".join(f"{ip}/24" for ip in guest.ipv4),
                "ipv6": ", ".join(f"{ip}/64" for ip in guest.ipv6),
                "lladdr": guest.link_local,
                "vnet": guest.vnet,
                "vni": guest.vni,
                "vtep": guest.vtep,
                "port": guest.tap,
            }
        return found

    def _bridge_addresses(self) -> Row:
        found: dict[str, set[str]] = defaultdict(set)
        svis = {self._svi(vnet.name) for vnet in self.fabric.vnets}
        for path in self.witnesses.evidence.glob("*-ip-addr.json"):
            for device in json.loads(path.read_text() or "[]"):
                if device.get("ifname") in svis:
                    found[device["ifname"]] |= {one["local"] for one in device["addr_info"]}
        return {name: sorted(found[name], key=lambda ip: (ip_address(ip).version, ip)) for name in sorted(found)}

    def _guests(self, time_ns: int) -> Row:
        return self.witnesses.guests[max(0, bisect_right(self.guests_since, time_ns) - 1)][1] or self.world.guests

    def _svi(self, vnet: str) -> str:
        return bridges.svi(self.fabric, self.fabric.vnet(vnet))

    def _is_held(self, vtep: str, vni: int, ip: str, time_ns: int) -> bool:
        return any(begin <= time_ns < end for begin, end in self.held.get((vtep, vni, ip), ()))


def _told_ip(seen: Sighting) -> str:
    return seen.frame.target_ip if seen.frame.name == "na" else seen.frame.sender_ip


def _changes(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


def _operation(sent: Sighting) -> str:
    """Return what a guest's frame is: "request", an announcement's name, or "" for answers and the rest."""
    frame = sent.frame
    if frame.name in REQUESTS and frame.sender_ip in UNSPECIFIED:
        return "dad" if frame.name == "ns" else "probe"
    if frame.name in ("arp-request", "arp-reply") and frame.sender_ip == frame.target_ip:
        return "garp"
    if frame.name in REQUESTS:
        return "request"
    if frame.name == "na" and frame.is_multicast:
        return "na"
    return frame.name if frame.name in ("rs", "rarp") else ""


def _path(by: str | None, vtep: str, svi: str) -> str:
    """Return the path of a request that did not leave its VTEP."""
    if by == f"{vtep}:{svi}":
        return "gateway"
    return "local" if by and ":" not in by else "suppressed"


def _tunnel(one: Sighting) -> str:
    return ">".join(one.frame.tunnel or ())


def _seconds(ns: int) -> float:
    return ns // 1000 / 1_000_000


def _times(ns: int) -> Row:
    return {"t": _seconds(ns), "t_ns": ns}


def _without(row: Row, *names: str) -> Row:
    return {name: value for name, value in row.items() if name not in names}
