"""A host has died and its VTEP has not noticed: it is still answered for, and nothing sent to it comes back."""

from samples.lab.story import Scenario, ipv4, open_primed, resolve_both
from samples.lab.world import World

WATCHED_S = 3.2  # that nobody answers is seen only where captures go on for a while


def drive(world: World) -> None:
    """Suppressed and answered; the target freezes; suppressed and unanswered."""
    open_primed(world, "vm1", "vm2")
    resolve_both(world, "vm1", "vm2")
    address, link_local = ipv4(world, "vm2"), world.guests["vm2"].link_local
    world.freeze("vm2")
    world.wait(0.5)
    for _ in range(3):
        world.resolve("vm1", address)
        world.wait(0.2)
    world.resolve("vm1", link_local)
    world.ping("vm1", address, count=5)
    world.wait(WATCHED_S)


SCENARIO = Scenario(
    "dead-host",
    "proxied replies for a host that no longer answers anything",
    drive,
    made_for=("dead-host-answered",),
    fabrics=("proxmox", "vlan-aware", "ipv6-underlay", "reflector", "pair"),
    seconds=20,
)
