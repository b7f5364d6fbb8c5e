"""A VTEP's flood list lacks another VTEP: BUM frames reach some and not all."""

from samples.lab.story import Scenario, ipv4
from samples.lab.world import World


def drive(world: World) -> None:
    """Flooded to all but the target's VTEP, again and again; then by the target itself, who reaches everyone."""
    world.refuse_routes(world.fabric.vm("vm1").vtep, world.fabric.vm("vm2").vtep, "multicast")
    world.boot("vm1", "vm2", "vm4")
    world.wait(5.0)  # nobody can say that the routes were too young
    world.resolve("vm1", ipv4(world, "vm2"))
    world.resolve("vm1", ipv4(world, "vm4"))
    world.wait(2.2)
    world.resolve("vm1", ipv4(world, "vm4"))
    world.forget("vm1")
    world.forget("vm2")
    world.resolve("vm2", ipv4(world, "vm1"))
    world.wait(0.5)


SCENARIO = Scenario(
    "partial-flood",
    "one VTEP ignores another's inclusive multicast route: floods reach two of three",
    drive,
    made_for=("partial-flood",),
    also_shows=("no-svi-address",),
    fabrics=("proxmox", "vlan-aware", "port-8472"),
    seconds=14,
)
