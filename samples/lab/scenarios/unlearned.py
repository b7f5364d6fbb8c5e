"""A guest moves to a VTEP whose port does not learn: its frames come from there, its route stays (SONiC #12363)."""

from samples.lab.story import Scenario, elsewhere, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Moved to a deaf port, then seconds of frames that no route follows."""
    open_primed(world, "vm1", "vm2")
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(2.2)
    world.move_to_deaf_port("vm2", elsewhere(world, "vm1", "vm2"))
    for _ in range(4):
        world.ping("vm2", ipv4(world, "vm1"), count=8)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(0.5)


SCENARIO = Scenario(
    "unlearned",
    "a guest sends from behind a VTEP that does not announce it",
    drive,
    made_for=("remote-to-local-lost",),
    fabrics=("proxmox", "vlan-aware"),
    seconds=26,
)
