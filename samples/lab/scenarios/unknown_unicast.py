"""Frames to a MAC that no route names are sent to every VTEP."""

from samples.lab.story import FIRST, Scenario, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """A binding without a MAC in the bridge table: asked for, flooded, and the echo requests are flooded too."""
    open_primed(world, "vm1", "vm2", "vm4")
    target = world.guests["vm2"]
    world.resolve("vm1", ipv4(world, "vm2"))
    world.fix_neighbour("vm1", "10.2.1.77", "bc:24:11:00:00:77")  # nobody has this MAC
    world.ping("vm1", "10.2.1.77", count=5)
    world.forget_mac(world.guests["vm1"].vtep, FIRST, target.mac)
    world.ping("vm1", target.ipv4[0], count=3)
    world.resolve("vm1", target.ipv4[0])
    world.wait(0.5)


SCENARIO = Scenario(
    "unknown-unicast",
    "unicast frames to a MAC that no route names, and to one that the bridge has forgotten",
    drive,
    made_for=("unknown-unicast",),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=14,
)
