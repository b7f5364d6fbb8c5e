"""A host has changed its MAC; remote VTEPs go on answering with the old one."""

from samples.lab.story import FIRST, Scenario, ipv4, open_primed
from samples.lab.world import World

NEW_MAC = "bc:24:11:00:00:92"


def drive(world: World) -> None:
    """Suppressed with the right MAC, with the new one, then with a stale one; flooded when that is gone."""
    open_primed(world, "vm1", "vm2")
    target, old_mac = ipv4(world, "vm2"), world.guests["vm2"].mac
    asking = world.guests["vm1"].vtep
    world.resolve("vm1", target)
    world.change_mac("vm2", NEW_MAC)
    world.announce("vm2", target)  # its own VTEP hears it, and the fabric learns
    world.wait(1.2)
    world.resolve("vm1", target)
    world.wait(1.2)
    world.set_neighbour(asking, FIRST, target, old_mac)  # as if the update had been lost
    for _ in range(2):
        world.resolve("vm1", target)
        world.wait(0.5)
    world.forget_neighbour(asking, FIRST, target)
    world.resolve("vm1", target)
    world.wait(0.3)


SCENARIO = Scenario(
    "wrong-mac",
    "proxied replies with the MAC that the owner had before",
    drive,
    made_for=("wrong-mac-answered", "answer-not-binding"),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=14,
)
