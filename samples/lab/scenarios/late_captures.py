"""Captures that start when everything has long been learned: no UPDATE of the routes is in them."""

from samples.lab.story import FIRST, Scenario, ipv4, open_primed, resolve_both
from samples.lab.world import World


def drive(world: World) -> None:
    """Learned and resolved before; then captures begin, and the same is asked again."""
    open_primed(world, "vm1", "vm2")
    resolve_both(world, "vm1", "vm2")
    world.begin_captures()
    world.wait(0.5)
    resolve_both(world, "vm1", "vm2")
    resolve_both(world, "vm1", "vm2", version=6)
    world.resolve("vm1", "10.2.1.99")
    world.suppress(world.guests["vm1"].vtep, FIRST, on=False)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.suppress(world.guests["vm1"].vtep, FIRST, on=True)
    world.wait(0.5)


SCENARIO = Scenario(
    "late-captures",
    "captures begin after BGP is up and everything is learned",
    drive,
    fabrics=("proxmox", "vlan-aware", "ipv6-underlay", "reflector", "port-8472", "pair"),
    capture="late",
    seconds=14,
)
