"""What truly happened in a simulation, in the form of the lab's truth.json."""

from typing import Any

from evpn_pcap.synth.clock import SECOND
from evpn_pcap.synth.control import ControlPlane
from evpn_pcap.synth.exchange import Request
from evpn_pcap.synth.fabric import MICROSECOND, Vm
from evpn_pcap.synth.wire import Wire

OUTCOME_OF_PATH = {"suppressed": "suppressed", "local": "suppressed", "gateway": "learned", "flooded": "flooded"}


class Truth:
    """The rows of truth.json, written down while they happen."""

    def __init__(self, wire: Wire, control: ControlPlane) -> None:
        self._wire = wire
        self._control = control
        self._resolutions: list[dict[str, Any]] = []
        self._announcements: list[dict[str, Any]] = []

    def resolution(self, vm: Vm, ip: str, requests: list[Request]) -> None:
        """Write down one resolution: all its requests and the answer."""
        first, answers = requests[0], requests[-1].answers
        row = {
            "t_ns": first.sent_ns,
            "requester": vm.name,
            "requester_ip": vm.address(ip)[1],
            "requester_mac": vm.mac,
            "vtep": self._wire.home.get(vm.name, vm.name),  # a VTEP asks for itself
            "vni": self._wire.fabric.vni,
            "protocol": "nd" if ":" in ip else "arp",
            "target": ip,
            "path": first.path,
            "class": OUTCOME_OF_PATH[first.path],
            "answered": bool(answers),
            "answered_by": answers[0].by if answers else None,
            "reply_delay_us": (answers[0].at_ns - requests[-1].sent_ns) / MICROSECOND if answers else None,
            "request_count": len(requests),
            "bgp_route_at_ingress": first.is_route_known,
        }
        self._resolutions.append(row)

    def announcement(self, operation: str, vm: str, address: str, at_ns: int, *, crossed: bool) -> None:
        """Write down an announcement, a probe or the like."""
        row = {"t_ns": at_ns, "vm": vm, "vtep": self._wire.home[vm], "op": operation, "address": address}
        self._announcements.append(row | {"crossed_fabric": crossed})

    def words(self, since_ns: int) -> dict[str, Any]:
        """Return what happened since a moment."""
        return {
            "time_base": "true time, seconds since the Unix epoch",
            "vms": {vm.name: self._vm_words(vm) for vm in self._wire.fabric.vms},
            "resolutions": _since(since_ns, self._resolutions),
            "announcements": _since(since_ns, self._announcements),
            "macip_events": _since(since_ns, self._control.events),
        }

    def _vm_words(self, vm: Vm) -> dict[str, str]:
        """Return one VM's entry."""
        home = self._wire.home[vm.name]
        return {"mac": vm.mac, "ipv4": vm.ip, "lladdr": vm.link_local, "vtep": home, "port": vm.tap}


def _since(since_ns: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows from a moment on, with `t` in seconds beside `t_ns`."""
    return [{"t": row["t_ns"] / SECOND, **row} for row in rows if row["t_ns"] >= since_ns]
