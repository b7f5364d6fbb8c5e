"""A guest is moved to and fro until duplicate detection freezes it (RFC 7432, 15.1: five moves in 180 s)."""

from samples.lab.story import Scenario, elsewhere, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Eight moves in six seconds, asked for after each."""
    open_primed(world, "vm1", "vm2")
    places = (elsewhere(world, "vm1", "vm2"), world.guests["vm2"].vtep)
    for turn in range(8):
        world.move("vm2", places[turn % 2], "gratuitous")
        world.wait(0.5)
        world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(1.0)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.ping("vm2", ipv4(world, "vm1"), count=4)


SCENARIO = Scenario(
    "dad-freeze",
    "eight moves in six seconds: the fabric stops believing them",
    drive,
    made_for=("dad-freeze",),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=18,
)
