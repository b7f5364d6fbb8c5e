"""Requests in the 50 ms between the exchange that teaches a VTEP and the entry on the asking one."""

from samples.lab.story import FIRST, Scenario, gateway, ipv4
from samples.lab.world import World

STEPS_S = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15)


def drive(world: World) -> None:
    """Learn an address anew for each step, and ask for it that long after."""
    world.add_gateway(FIRST)
    world.boot("vm1", "vm2")
    home = world.guests["vm2"].vtep
    for step in STEPS_S:
        world.resolve("vm2", gateway(world, "vm2"))
        world.wait(step)
        world.resolve("vm1", ipv4(world, "vm2"))
        world.wait(0.3)
        world.forget_neighbour(home, FIRST, ipv4(world, "vm2"))
        world.wait(0.5)


SCENARIO = Scenario(
    "learning-window",
    "asked for 0 to 150 ms after it was learned: flooded, then suppressed",
    drive,
    also_shows=("gateway-primed",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=16,
)
