"""A guest is a router: its own advertisements carry the router flag; do the proxied ones (RFC 9047, FRR #2665)?"""

from samples.lab.story import FIRST, LEARNED_S, Scenario, open_primed
from samples.lab.world import World

GLOBAL = {"vm1": "2001:db8:1::11", "vm2": "2001:db8:1::12"}


def drive(world: World) -> None:
    """The owner's own NA while flooded, then the VTEP's; learned before and after it became a router."""
    open_primed(world, "vm1", "vm2")
    for vm, ip in GLOBAL.items():
        world.add_address(vm, ip)
    world.wait(2.2)
    world.make_router("vm2")
    world.resolve("vm1", GLOBAL["vm2"])  # not learned yet: the owner answers
    world.wait(0.3)
    world.resolve("vm1", world.guests["vm2"].link_local)  # learned before it was a router
    world.resolve("vm2", "2001:db8:1::1")
    world.ping_from_svi(world.guests["vm2"].vtep, FIRST, GLOBAL["vm2"])
    world.wait(LEARNED_S)
    world.resolve("vm1", GLOBAL["vm2"])
    world.wait(0.3)


SCENARIO = Scenario(
    "router-flag",
    "the owner says that it is a router, the proxy does not",
    drive,
    made_for=("router-flag-lost",),
    also_shows=("gateway-primed",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=16,
)
