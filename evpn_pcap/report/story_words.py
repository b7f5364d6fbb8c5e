"""Words of RESOLUTIONS -> sentences for somebody who sees them for the first time (domain.md, sections 2 to 4)."""

KINDS = {
    ("arp", "resolution"): "asks everybody for the MAC address of",
    ("nd", "resolution"): "asks by multicast for the MAC address of",
    ("arp", "refresh"): "asks by unicast whether it still knows the right MAC address of",
    ("nd", "refresh"): "asks by unicast whether it still knows the right MAC address of",
    ("arp", "probe"): "asks whether anybody uses an address, before it takes it:",
    ("nd", "probe"): "asks whether anybody uses an address, before it takes it:",
    ("arp", "announcement"): "announces, without being asked, that it has",
    ("nd", "announcement"): "announces, without being asked, that it has",
}
OUTCOMES = {
    "suppressed": "SUPPRESSED: nothing of it left the VTEP that the requester sits behind.",
    "flooded": "FLOODED: it went beyond the VTEP that the requester sits behind.",
    "learned": "LEARNED: the VTEP itself was asked and answered, and so came to know the requester; nothing left it.",
    "undecided": "UNDECIDED: the captures do not prove what became of it.",
}
ANSWERS = {
    "proxy": "The VTEP answered in the target's name",
    "gateway": "The VTEP answered for an address of its own",
    "target": "The target itself answered",
    "none": "Nobody answered, at a place where an answer would have been seen.",
    "unknown": "Whether anybody answered cannot be seen in these captures.",
}
REASONS = {
    "from-overlay": "The frame came in from the fabric; a suppressed port only passes it on.",
    "unicast-forwarded": "It was asked by unicast. Such requests are forwarded to their one receiver, not answered by "
    "proxy: this is normal.",
    "probe-dropped": "Linux keeps probes off the fabric and answers none: duplicates behind other VTEPs go unnoticed.",
    "announcement-dropped": "Linux keeps announcements off the fabric: other VTEPs hear of it by BGP, or not at all.",
    "no-svi": "The bridge has no interface of its own in this VLAN, so it cannot look the target up and floods.",
    "gateway": "The target is the VTEP's own address (a gateway), so the VTEP answers and sends nothing on.",
    "no-neighbour": "The VTEP did not know which MAC address the target has, so it had nothing to answer with.",
    "neighbour-invalid": "The VTEP's entry for the target was not valid (INCOMPLETE or FAILED), so it flooded.",
    "no-fdb": "The VTEP knew the target's MAC address but not where it is (no entry in the bridge's table).",
    "proxied": "The VTEP knew the target's MAC address, and that it is behind another VTEP, so it answered itself.",
    "local-target": "The target sits on the same VTEP and answers for itself; nothing need cross the fabric.",
    "suppression-off": "The VTEP had known the target's route for a while and sent the request on all the same: "
    "suppression is off, is on the wrong port, or does not work on this platform.",
}
CHECKS = {
    "no-neighbour": "On the target's VTEP: `ip neigh show dev BRIDGE` (does it know the target?). On the asking one: "
    "`show bgp l2vpn evpn route type 2` and `show evpn arp-cache vni VNI`.",
    "suppression-off": "On the asking VTEP: `bridge -d link show dev VXLAN-DEVICE` must say `neigh_suppress on`.",
    "no-svi": "`ip -d link show type vlan` on the asking VTEP: is there an interface for this VLAN on the bridge?",
    "neighbour-invalid": "On the asking VTEP: `ip neigh show dev BRIDGE`, and `show evpn arp-cache vni VNI`.",
    "no-fdb": "On the asking VTEP: `bridge fdb show | grep MAC`; is there a MAC-only route beside the MAC/IP route?",
}
AFTERMATHS = {
    "answered": "The address was then used, and an answer came back.",
    "unanswered": "The address was then used, and nothing came back: the answer may have been stale.",
    "unused": "Nothing was sent to the address afterwards.",
    "unknown": "What the address was used for afterwards cannot be seen in these captures.",
}
EFFECTS = {
    "advertised": "The exchange made a VTEP announce an address for which no route was in force.",
    "moved": "The exchange made a VTEP announce an address that another one had announced before.",
    "refreshed": "The exchange made a VTEP announce again what it had announced before.",
}
WITHDRAWALS = {
    "moved": "because the address moved to another VTEP",
    "aged": "because it had aged out",
    "link down": "because its link went down",
    "family disabled": "because the whole address family went at that moment",
    "session lost": "because the BGP session was lost",
    "stale": "because its speaker restarted and did not announce it again",
    "replaced": "because a newer announcement replaced it",
    "unknown": "for a reason that the captures do not show",
}
