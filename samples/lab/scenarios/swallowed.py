"""A VTEP's SVI asks for a host behind another VTEP: the answer goes to the anycast MAC, and the leaf there eats it."""

from samples.lab.story import FIRST, Scenario, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """The gateway address of pve1 pings a guest that the fabric has not learned."""
    open_primed(world, "vm1")
    world.accept_untracked(FIRST, on=False)  # else the leaf learns from the answer that it eats
    world.boot("vm2")
    world.resolve("vm1", ipv4(world, "vm2"))
    asking = world.guests["vm1"].vtep
    for _ in range(2):
        world.ping_from_svi(asking, FIRST, ipv4(world, "vm2"), count=3)
        world.wait(0.5)
    world.wait(1.0)


SCENARIO = Scenario(
    "swallowed",
    "an SVI's broadcast crosses the fabric, the reply does not come back",
    drive,
    made_for=("anycast-reply-swallowed",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=14,
)
