"""Two answers to one request: a port answers for the target, and the request is flooded all the same."""

from samples.lab.story import FIRST, Scenario, gateway, ipv4, open_primed
from samples.lab.world import World


def drive(world: World) -> None:
    """Suppression off and proxy ARP on at the guest's own port: VTEP and target answer. Then the gateways' answers."""
    open_primed(world, "vm1", "vm2", "vm4")
    home = world.guests["vm1"].vtep
    world.wait(2.2)  # the routes are older than any doubt
    world.suppress(home, FIRST, on=False)
    world.proxy_at_port("vm1", on=True)
    for _ in range(2):
        world.resolve("vm1", ipv4(world, "vm2"))
        world.arping("vm1", ipv4(world, "vm2"))
        world.wait(0.3)
    world.proxy_at_port("vm1", on=False)
    world.resolve("vm1", gateway(world, "vm1"))  # the remote SVIs answer as well, with the same MAC
    world.wait(0.3)
    world.suppress(home, FIRST, on=True)
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(0.5)


SCENARIO = Scenario(
    "double-reply",
    "a port with proxy ARP and no suppression: the VTEP answers and the target as well",
    drive,
    made_for=("double-reply",),
    also_shows=("suppression-not-working",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=14,
)
