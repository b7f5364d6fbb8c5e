"""Suppression is off on one VTEP for a while: flooded although the routes are there."""

from samples.lab.story import FIRST, Scenario, gateway, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Suppressed, off on the first guest's VTEP, on again; the other direction is not touched."""
    open_primed(world, "vm1", "vm2")
    home = world.guests["vm1"].vtep
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(2.2)  # the routes are older than any doubt
    world.suppress(home, FIRST, on=False)
    for _ in range(3):
        world.resolve("vm1", ipv4(world, "vm2"))
        world.resolve("vm1", world.guests["vm2"].link_local)
        world.wait(0.3)
    world.resolve("vm2", ipv4(world, "vm1"))
    world.resolve("vm1", gateway(world, "vm1"))
    world.wait(0.3)
    world.suppress(home, FIRST, on=True)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.resolve("vm1", world.guests["vm2"].link_local)
    world.wait(0.3)


SCENARIO = Scenario(
    "suppression-off",
    "neigh_suppress off on one VTEP: flooded although the routes are in force",
    drive,
    made_for=("suppression-not-working",),
    also_shows=("double-reply",),
    fabrics=("proxmox", "vlan-aware", "reflector", "port-8472", "overlapping", "pair"),
    seconds=14,
)
