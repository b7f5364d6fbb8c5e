"""Two guests behind two VTEPs have one address (RFC 9161, 3.7)."""

from samples.lab.story import FIRST, LEARNED_S, Scenario, gateway, ipv4, prime
from samples.lab.world import World


def drive(world: World) -> None:
    """Both answer while nobody is learned; then they speak to the gateway in turn and at once."""
    world.boot("vm1", "vm2", "vm4")
    contested = ipv4(world, "vm2")
    world.remove_address("vm4", ipv4(world, "vm4"))
    world.add_address("vm4", contested)
    for _ in range(2):
        world.resolve("vm1", contested)  # two answers
        world.wait(0.5)
    world.add_gateway(FIRST)
    prime(world, "vm1")
    for _ in range(2):
        world.resolve_all([(vm, gateway(world, vm)) for vm in ("vm2", "vm4")])
        world.wait(LEARNED_S)
        world.resolve("vm1", contested)
        for vm in ("vm4", "vm2"):
            world.resolve(vm, gateway(world, vm))
            world.announce(vm, contested)
            world.wait(LEARNED_S)
            world.resolve("vm1", contested)
    world.wait(0.5)


SCENARIO = Scenario(
    "duplicate-ip",
    "two MACs behind two VTEPs answer for one address, and speak to the gateway in turn",
    drive,
    made_for=("duplicate-ip",),
    also_shows=("gateway-primed", "wrong-mac-answered"),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=16,
)
