"""Every host talks to another all the time, from before the captures begin until after their end."""

from samples.lab.routing import address
from samples.lab.story import Scenario, ipv4, open_primed, resolve_both
from samples.lab.world import World

INTERVAL_S = 0.05
ROUNDS = 8


def drive(world: World) -> None:
    """Guests ping each other, hypervisors their neighbours on the underlay; meanwhile guests resolve each other."""
    known = [vm.name for vm in world.fabric.vms]
    guests = [vm for vm in ("vm1", "vm2", "vm4") if vm in known]
    open_primed(world, *guests)
    for one, other in zip(guests, [*guests[1:], guests[0]], strict=True):
        world.chat(one, ipv4(world, other), INTERVAL_S)
    vteps = world.fabric.vteps
    for here, there in zip(vteps, [*vteps[1:], vteps[0]], strict=True):
        world.chat(here, address(world.fabric, there), INTERVAL_S)
    world.wait(1.0)
    world.begin_captures()
    world.wait(1.0)
    for _ in range(ROUNDS):
        resolve_both(world, "vm1", "vm2", version=6)
        world.wait(1.0)


SCENARIO = Scenario(
    "talkative",
    "every host talks all the time: a clock that is set or slewed shows in frames before and after",
    drive,
    fabrics=("proxmox", "reflector", "port-8472", "pair", "vlan-aware", "six"),
    capture="late",
    seconds=22,
)
