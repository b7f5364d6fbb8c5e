"""A VTEP's policy refuses another's MAC/IP routes: they are on the wire and have no effect."""

from samples.lab.story import Scenario, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Suppressed; the policy comes; flooded although the route was seen; the other direction is not touched."""
    open_primed(world, "vm1", "vm2")
    world.resolve("vm1", ipv4(world, "vm2"))
    world.refuse_routes(world.guests["vm1"].vtep, world.guests["vm2"].vtep, "macip")
    world.wait(3.0)
    for _ in range(3):
        world.resolve("vm1", ipv4(world, "vm2"))
        world.wait(0.5)
    world.resolve("vm2", ipv4(world, "vm1"))
    world.wait(0.3)


SCENARIO = Scenario(
    "filtered",
    "MAC/IP routes arrive and are refused by policy: flooded although in force",
    drive,
    made_for=("suppression-not-working",),
    also_shows=("unknown-unicast",),
    fabrics=("proxmox", "vlan-aware"),
    seconds=14,
)
