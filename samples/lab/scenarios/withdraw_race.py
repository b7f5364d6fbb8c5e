"""An address is announced, withdrawn and announced again within a second (FRR #21472)."""

from samples.lab.story import FIRST, Scenario, elsewhere, gateway, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Withdraw and re-announce without a move; a new VTEP that loses its route; a guest that moves there and back."""
    open_primed(world, "vm1", "vm2")
    target, home = ipv4(world, "vm2"), world.guests["vm2"].vtep
    world.forget_neighbour(home, FIRST, target)
    world.resolve("vm2", gateway(world, "vm2"))
    world.resolve("vm1", target)
    world.wait(0.4)
    other = elsewhere(world, "vm1", "vm2")
    world.move("vm2", other, "gratuitous")
    world.resolve("vm1", target)
    world.wait(1.0)  # the old VTEP has withdrawn
    world.forget_local_mac("vm2")  # what FRR's race does
    world.wait(0.6)
    for _ in range(3):
        world.resolve("vm1", target)
        world.wait(0.5)
    world.move("vm2", home, "gratuitous")
    world.wait(0.2)
    world.move("vm2", other, "gratuitous")
    world.resolve("vm1", target)
    world.wait(0.5)


SCENARIO = Scenario(
    "withdraw-race",
    "announced, withdrawn, announced; new, old, new within a second",
    drive,
    made_for=("withdraw-race",),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=16,
)
