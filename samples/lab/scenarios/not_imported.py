"""A VTEP imports another route target than the others export: the routes arrive and do nothing."""

from samples.lab.routing import AS_NUMBER
from samples.lab.story import FIRST, LEARNED_S, Scenario, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Suppressed; the import is changed; flooded with the route seen, but not importable; changed back."""
    open_primed(world, "vm1", "vm2")
    asking = world.guests["vm1"].vtep
    vni = world.fabric.vnet(FIRST).vni
    world.resolve("vm1", ipv4(world, "vm2"))
    inside = (f"router bgp {AS_NUMBER}", "address-family l2vpn evpn", f"vni {vni}")
    world.configure(asking, *inside, f"route-target import {AS_NUMBER}:999")
    world.wait(1.0)
    for _ in range(2):
        world.resolve("vm1", ipv4(world, "vm2"))
        world.wait(0.5)
    world.configure(asking, *inside, f"no route-target import {AS_NUMBER}:999")
    world.wait(1.0 + LEARNED_S)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(0.3)


SCENARIO = Scenario(
    "not-imported",
    "the route is there, its route target is not imported",
    drive,
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=14,
)
