"""Two answers to one request: where suppression is off, remote SVIs answer for the gateway as well."""

from samples.lab.story import FIRST, Scenario, gateway, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """The gateway is asked for with suppression off; then an address that two guests have."""
    open_primed(world, "vm1", "vm2", "vm4")
    home = world.guests["vm1"].vtep
    world.suppress(home, FIRST, on=False)
    for _ in range(2):
        world.resolve("vm1", gateway(world, "vm1"))
        world.arping("vm1", gateway(world, "vm1"))
        world.wait(0.3)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(0.3)
    world.suppress(home, FIRST, on=True)
    world.resolve("vm1", gateway(world, "vm1"))
    world.wait(0.5)


SCENARIO = Scenario(
    "double-reply",
    "suppression off: the request for the gateway is answered by several SVIs",
    drive,
    made_for=("double-reply",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=12,
)
