"""A VTEP's flood list lacks another VTEP: BUM frames reach some and not all."""

from samples.lab.story import Scenario, ipv4, resolve_both
from samples.lab.world import World


def drive(world: World) -> None:
    """Flooded to all, then to all but the target's VTEP, then by the target itself, who still reaches everyone."""
    world.boot("vm1", "vm2", "vm4")
    resolve_both(world, "vm1", "vm2")
    world.refuse_routes(world.guests["vm1"].vtep, world.guests["vm2"].vtep, "multicast")
    world.wait(1.5)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.resolve("vm1", ipv4(world, "vm4"))
    world.wait(2.2)
    world.resolve("vm2", ipv4(world, "vm1"))
    world.wait(0.5)


SCENARIO = Scenario(
    "partial-flood",
    "one VTEP ignores another's inclusive multicast route: floods reach two of three",
    drive,
    made_for=("partial-flood", "no-svi-address"),
    fabrics=("proxmox", "vlan-aware", "port-8472"),
    seconds=14,
)
