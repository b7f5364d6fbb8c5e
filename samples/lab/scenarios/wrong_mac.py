"""A host has changed its MAC; remote VTEPs go on answering with the old one."""

from samples.lab.story import Scenario, gateway, ipv4, open_primed
from samples.lab.world import World

NEW_MAC = "bc:24:11:00:00:92"


def drive(world: World) -> None:
    """Suppressed with the right MAC, then with a stale one, then learned anew."""
    open_primed(world, "vm1", "vm2")
    world.accept_untracked("EVPN1", on=False)
    target = ipv4(world, "vm2")
    world.resolve("vm1", target)
    world.change_mac("vm2", NEW_MAC)
    world.announce("vm2", target)  # kept off the fabric
    world.wait(2.5)
    for _ in range(2):
        world.resolve("vm1", target)
        world.wait(0.5)
    world.resolve("vm2", gateway(world, "vm2"))
    world.wait(0.6)
    world.resolve("vm1", target)
    world.wait(0.3)


SCENARIO = Scenario(
    "wrong-mac",
    "proxied replies with the MAC that the owner had before",
    drive,
    made_for=("wrong-mac-answered",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=14,
)
