"""A broadcast comes back: a guest bridges its segment to itself, as a leaf without split horizon would."""

from samples.lab import frames
from samples.lab.story import Scenario, ipv4
from samples.lab.world import World


def drive(world: World) -> None:
    """What the first guest floods, the third repeats, with the first one's MAC as its source."""
    world.boot("vm1", "vm2", "vm4")
    world.resolve("vm1", ipv4(world, "vm2"))
    world.echo_broadcasts("vm4", seconds=4.0, frame_kind=frames.ARP)
    for _ in range(2):
        world.arping("vm1", "10.2.1.99")
        world.wait(0.5)
    world.wait(2.5)
    world.resolve("vm1", ipv4(world, "vm2"))


SCENARIO = Scenario(
    "echo",
    "a guest sends every broadcast back into the segment",
    drive,
    made_for=("bum-echo",),
    also_shows=("no-svi-address",),
    fabrics=("proxmox", "vlan-aware"),
    seconds=14,
)
