"""Unicast refreshes: guests ask again who they know, SVIs probe who has just been used (RFC 4861, 7.3)."""

from samples.lab.story import FIRST, Scenario, gateway, ipv4, open_primed, resolve_both
from samples.lab.world import World


def drive(world: World) -> None:
    """Guests that take a neighbour for reachable for a second only, with steady traffic; SVIs that do the same."""
    open_primed(world, "vm1", "vm2")
    for vm in ("vm1", "vm2"):
        world.hurry_neighbours(vm, 1.0)
    world.age_neighbours_after(FIRST, 2)
    resolve_both(world, "vm1", "vm2")
    world.forget("vm1")
    world.forget("vm2")
    with world.stream("vm1", ipv4(world, "vm2"), count=40, interval_s=0.2):
        world.wait(2.0)
        world.ping("vm1", world.guests["vm2"].link_local, count=20)
    world.ping("vm1", gateway(world, "vm1"), count=10)
    world.arping("vm1", ipv4(world, "vm2"), count=2, unicast=True)
    world.wait(6.0)  # the SVIs' own probes


SCENARIO = Scenario(
    "refresh",
    "unicast refreshes cross the fabric, also where broadcasts would be suppressed; SVIs probe",
    drive,
    fabrics=("proxmox", "vlan-aware", "ipv6-underlay", "reflector", "pair"),
    seconds=26,
)
