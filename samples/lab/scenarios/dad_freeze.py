"""A guest is moved to and fro until duplicate detection freezes it (RFC 7432, 15.1: five moves in 180 s)."""

from samples.lab.routing import AS_NUMBER
from samples.lab.story import Scenario, elsewhere, ipv4, open_primed
from samples.lab.world import World

MOVES = 5
FREEZE = (f"router bgp {AS_NUMBER}", "address-family l2vpn evpn", "dup-addr-detection freeze permanent")


def drive(world: World) -> None:
    """Five moves in a few seconds, asked for after each; the fifth is not announced, and the guest stays and sends."""
    for vtep in world.fabric.vteps:
        world.configure(vtep, *FREEZE)  # FRR only warns unless told so
    open_primed(world, "vm1", "vm2")
    places = (elsewhere(world, "vm1", "vm2"), world.guests["vm2"].vtep)
    for turn in range(MOVES):
        world.move("vm2", places[turn % 2], "gratuitous")
        world.wait(0.5)
        world.resolve("vm1", ipv4(world, "vm2"))
    world.ping("vm2", ipv4(world, "vm1"), count=40)
    world.resolve("vm1", ipv4(world, "vm2"))


SCENARIO = Scenario(
    "dad-freeze",
    "five moves in a few seconds: the fabric stops believing them",
    drive,
    made_for=("dad-freeze",),
    also_shows=("announcement-ignored", "unknown-unicast", "withdraw-race"),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=28,
)
