"""IPv6 is switched off on one VTEP's SVI and on again: the routes stay in force, the entries do not come back."""

from samples.lab.story import FIRST, Scenario, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Suppressed; off and on again at the asking side; flooded although the route is in force."""
    open_primed(world, "vm1", "vm2")
    asking, target = world.guests["vm1"].vtep, world.guests["vm2"].link_local
    world.resolve("vm1", target)
    world.wait(2.2)
    world.disable_ipv6(asking, FIRST)
    world.wait(0.5)
    world.resolve("vm1", target)
    world.enable_ipv6(asking, FIRST)
    world.wait(2.5)
    for _ in range(3):
        world.resolve("vm1", target)
        world.wait(0.3)


SCENARIO = Scenario(
    "ipv6-reenabled",
    "IPv6 off and on at the asking VTEP: flooded although the route is in force",
    drive,
    made_for=("planned-withdraw", "suppression-not-working"),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=14,
)
