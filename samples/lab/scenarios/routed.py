"""Two subnets: guests reach each other through their gateways and the L3 VNI (RFC 9135, symmetric IRB)."""

from samples.lab.story import LEARNED_S, Scenario, ipv4, prime
from samples.lab.world import World

GUESTS = ("vm1", "vm2", "vm5", "vm6")


def drive(world: World) -> None:
    """Everyone learned, then echoes between the subnets and within them."""
    world.boot(*GUESTS)
    for vm in GUESTS:
        world.route_by_gateway(vm)
    world.ping("vm1", ipv4(world, "vm5"))  # nobody is learned yet: the gateway has to ask
    world.wait(LEARNED_S)
    prime(world, *GUESTS)
    for vm in GUESTS:
        world.forget(vm)
    world.ping("vm1", ipv4(world, "vm6"))
    world.ping("vm5", ipv4(world, "vm2"))
    world.resolve("vm1", ipv4(world, "vm2"))
    world.resolve("vm5", ipv4(world, "vm6"))
    world.wait(0.5)


SCENARIO = Scenario(
    "routed",
    "echoes between two subnets over the L3 VNI, and within each over its own VNI",
    drive,
    also_shows=("anycast-reply-swallowed", "gateway-primed"),
    fabrics=("symmetric",),
    seconds=14,
)
