"""Addresses that nobody has: asked for in vain, flooded each time."""

from samples.lab.story import Scenario, open_primed
from samples.lab.world import World

NOBODY = "10.2.1.99"
NOBODY6 = "fe80::9999"


def drive(world: World) -> None:
    """Ask for nobody by ARP and ND, with the kernel's three requests a second apart, and by tools."""
    open_primed(world, "vm1", "vm2")
    world.resolve("vm1", NOBODY)
    world.wait(2.5)
    world.resolve("vm2", NOBODY6)
    world.wait(2.5)
    world.arping("vm1", NOBODY, count=2)
    world.solicit("vm2", NOBODY6)


SCENARIO = Scenario(
    "unanswered",
    "requests for addresses that nobody has",
    drive,
    fabrics=("proxmox", "vlan-aware", "ipv6-underlay", "reflector", "overlapping", "pair"),
    seconds=16,
)
