"""Both guests behind one VTEP: the request is not sent to the overlay, the target itself answers."""

from samples.lab.story import Scenario, open_primed, resolve_both
from samples.lab.world import World


def drive(world: World) -> None:
    """Before the VTEP knows them, then after."""
    world.boot("vm1", "vm3", "vm2")
    resolve_both(world, "vm1", "vm3")
    resolve_both(world, "vm1", "vm3", version=6)
    open_primed(world)
    for vm in ("vm1", "vm3", "vm2"):
        world.resolve(vm, "10.2.1.1")
    world.wait(0.4)
    resolve_both(world, "vm1", "vm3")
    resolve_both(world, "vm1", "vm2")


SCENARIO = Scenario(
    "local-target",
    "two guests behind one VTEP: flooded while unknown, then answered by the target, never by the overlay",
    drive,
    also_shows=("gateway-primed",),
    fabrics=("proxmox", "vlan-aware", "ipv6-underlay", "reflector", "overlapping"),
    seconds=12,
)
