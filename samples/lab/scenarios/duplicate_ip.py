"""Two guests behind two VTEPs have one address (RFC 9161, 3.7)."""

from samples.lab.story import Scenario, gateway, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """The second owner appears, both speak to the gateway, a third guest asks."""
    open_primed(world, "vm1", "vm2", "vm4")
    contested = ipv4(world, "vm2")
    world.resolve("vm1", contested)
    world.remove_address("vm4", ipv4(world, "vm4"))
    world.add_address("vm4", contested)
    world.announce("vm4", contested)
    world.wait(0.5)
    for _ in range(3):
        world.resolve("vm1", contested)
        world.resolve("vm4", gateway(world, "vm4"))
        world.wait(0.5)
        world.resolve("vm1", contested)
        world.resolve("vm2", gateway(world, "vm2"))
        world.wait(0.5)
    world.announce("vm2", contested)
    world.wait(0.5)
    world.resolve("vm1", contested)
    world.wait(0.5)


SCENARIO = Scenario(
    "duplicate-ip",
    "two MACs behind two VTEPs announce one address in turn",
    drive,
    made_for=("duplicate-ip",),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=16,
)
