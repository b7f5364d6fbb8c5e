"""The gateway has another MAC on one VTEP; a guest that moves there goes on with the old one."""

from samples.lab.story import FIRST, Scenario, gateway, ipv4, open_primed, prime
from samples.lab.world import World

OTHER_MAC = "bc:24:11:aa:aa:b2"


def drive(world: World) -> None:
    """Each guest asks its own gateway: two answers differ. Then the first guest moves to the other's VTEP."""
    world.set_gateway_mac(world.fabric.vm("vm2").vtep, FIRST, OTHER_MAC)
    open_primed(world, "vm1", "vm2")
    world.resolve("vm1", ipv4(world, "vm2"))
    world.move("vm1", world.guests["vm2"].vtep, "gratuitous")
    world.wait(1.5)
    world.ping("vm1", gateway(world, "vm1"), count=10)
    prime(world, "vm1")
    world.wait(0.3)


SCENARIO = Scenario(
    "gateway-mac",
    "the anycast gateway answers with two MACs; a guest that moved keeps the old one",
    drive,
    made_for=("gateway-mac-differs", "stale-gateway-in-guest"),
    also_shows=("gateway-primed", "unknown-unicast"),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=14,
)
