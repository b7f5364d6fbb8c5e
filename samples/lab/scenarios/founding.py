"""The founding story in full: what one network engineer saw on a cluster of four hypervisors."""

from samples.lab.story import LEARNED_S, Scenario, gateway, ipv4, prime, resolve_both
from samples.lab.world import World

VNET = "EVPN1"
GLOBAL = {"vm1": "2001:db8:1::11", "vm2": "2001:db8:1::12"}


def drive(world: World) -> None:
    """Link-local suppressed; IPv6 off and withdrawn; ARP flooded; gateway, learned, suppressed; global IPv6."""
    world.boot("vm1", "vm2")
    resolve_both(world, "vm1", "vm2", version=6)
    homes = sorted({world.guests[vm].vtep for vm in ("vm1", "vm2")})
    for vtep in homes:
        world.disable_ipv6(vtep, VNET)
    world.wait(LEARNED_S)
    resolve_both(world, "vm1", "vm2")

    for vtep in homes:
        world.enable_ipv6(vtep, VNET)
    world.add_gateway(VNET)
    world.wait(1.5)  # DAD of the SVIs
    world.forget("vm1")
    world.forget("vm2")
    world.resolve("vm1", ipv4(world, "vm2"))
    prime(world, "vm1", "vm2")
    resolve_both(world, "vm1", "vm2")

    for vm, ip in GLOBAL.items():
        world.add_address(vm, ip)
    world.wait(2.2)
    world.resolve("vm1", GLOBAL["vm2"])
    for vm in GLOBAL:
        world.resolve(vm, gateway(world, vm, 6))
    world.wait(LEARNED_S)
    world.forget("vm2")
    world.resolve("vm1", GLOBAL["vm2"])
    world.wait(0.5)


SCENARIO = Scenario(
    "founding",
    "link-local suppressed; IPv6 disabled and withdrawn; ARP flooded; gateway added, learned, suppressed; global IPv6",
    drive,
    made_for=("gateway-primed", "planned-withdraw"),
    fabrics=("proxmox", "vlan-aware", "reflector", "port-8472", "overlapping", "pair"),
    capture="everything",
    seconds=16,
)
