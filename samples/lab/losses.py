"""Losses made on purpose: nftables drops every 50th echo between two points, and its counter is held against FLOWS.

`python -m samples.lab.losses OUT` (as root) drives a fabric, captures it into OUT, analyzes, and prints both numbers.
The filter lies between the underlay's NIC, whose capture still shows a dropped frame, and the VXLAN device, whose does
not.
"""

import argparse
import json
import sys
from pathlib import Path

import evpn_pcap
from samples.lab import namespaces
from samples.lab.capturing import WAYS, Recorder
from samples.lab.fabric import FABRICS
from samples.lab.skew import captures_in
from samples.lab.story import ipv4, open_primed
from samples.lab.world import World

ECHO_COUNT, ECHO_INTERVAL_S, EACH = 2_550, 0.005, 50
UNDERLAY = "ens18"
RULES = f"""
add table netdev losses
add counter netdev losses dropped
add chain netdev losses ingress {{ type filter hook ingress device {UNDERLAY} priority 0; }}
add rule netdev losses ingress udp dport 4789 udp length 114 numgen inc mod {EACH} 0 counter name dropped drop
"""  # 114: an echo of 98 octets, VXLAN and UDP


def drive(folder: Path) -> tuple[int, str, str]:
    """Drive and capture; return how many frames nftables dropped, and the addresses that they went from and to."""
    folder.mkdir(parents=True, exist_ok=True)
    world = World(FABRICS["proxmox"], folder)
    world.on_event.append(Recorder(folder, WAYS["each"]))
    with world:
        open_primed(world, "vm1", "vm2")
        source, target = ipv4(world, "vm1"), ipv4(world, "vm2")
        world.resolve("vm1", target)
        namespace = world.host(world.guests["vm2"].vtep).namespace
        namespaces.run(namespace, "nft", "-f", "-", stdin=RULES)
        with world.stream("vm1", target, ECHO_COUNT, ECHO_INTERVAL_S):
            pass
        told = json.loads(namespaces.run(namespace, "nft", "-j", "list", "counter", "netdev", "losses", "dropped"))
        world.wait(1.0)
    (counter,) = (one["counter"] for one in told["nftables"] if "counter" in one)
    return int(counter["packets"]), source, target


def main() -> None:
    """Drop frames on purpose, and print where and how many the program says were lost."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.losses", description=main.__doc__)
    parser.add_argument("out", type=Path, help="folder for the captures")
    folder = parser.parse_args().out
    dropped_count, source, target = drive(folder)
    flows = evpn_pcap.analyze(captures_in(folder)).tables.flows
    mine = flows[flows["is_hop"] & (flows["source_ip"] == source) & (flows["destination_ip"] == target)]
    print(f"nftables dropped {dropped_count} of {ECHO_COUNT} echo requests {source} -> {target}")
    found: dict[str, int] = {}
    for row in mine[mine["lost_packet_count"] > 0].to_dict("records"):
        hop = f"{row['from_host']}:{row['from_point']} -> {row['to_host']}:{row['to_point']}"
        found[hop] = found.get(hop, 0) + int(row["lost_packet_count"])
        print(f"lost at {hop}: {row['lost_packet_count']} of {row['from_packet_count']}")
    sys.exit(list(found.values()) != [dropped_count])


if __name__ == "__main__":
    main()
