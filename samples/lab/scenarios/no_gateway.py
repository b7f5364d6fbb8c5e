"""No gateway at all: the VTEPs never learn an IPv4 address, so ARP is flooded for ever; ND is not."""

from samples.lab.story import Scenario, ipv4, resolve_both
from samples.lab.world import World


def drive(world: World) -> None:
    """ARP between two guests again and again, and their link-local addresses."""
    world.boot("vm1", "vm2")
    for _ in range(3):
        resolve_both(world, "vm1", "vm2")
    resolve_both(world, "vm1", "vm2", version=6)
    world.ping("vm1", ipv4(world, "vm2"))


SCENARIO = Scenario(
    "no-gateway",
    "no SVI address in IPv4: ARP always flooded; link-local addresses suppressed",
    drive,
    made_for=("no-svi-address",),
    fabrics=("proxmox", "vlan-aware", "reflector", "port-8472", "overlapping", "pair"),
    seconds=10,
)
