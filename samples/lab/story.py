"""What a scenario is, and the openings that many scenarios share."""

from collections.abc import Callable
from dataclasses import dataclass

from samples.lab.world import World

FIRST = "EVPN1"  # the segment that every fabric has
LEARNED_S = 0.4  # trigger to UPDATE 50 ms, 10 ms more to the remote kernel; with room for a busy machine


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story that is driven in a world."""

    name: str
    story: str
    drive: Callable[[World], None]
    made_for: tuple[str, ...] = ()  # slugs of the diagnoses that it must bring out
    also_shows: tuple[str, ...] = ()  # what truly happens in it besides; nothing else may be found
    fabrics: tuple[str, ...] = ("proxmox",)  # where it can be driven
    capture: str = "each"
    seconds: int = 20


def prime(world: World, *vms: str) -> None:
    """Let guests speak to their gateway, and wait until the fabric has learned them."""
    for vm in vms:
        world.resolve(vm, gateway(world, vm))
    world.wait(LEARNED_S)


def open_primed(world: World, *vms: str) -> None:
    """Give the first segment its gateway, boot guests and let the fabric learn them."""
    world.add_gateway(FIRST)
    world.boot(*vms)
    prime(world, *vms)


def gateway(world: World, vm: str, version: int = 4) -> str:
    """Return the gateway's address in a guest's segment."""
    vnet = world.fabric.vnet(world.guests[vm].vnet)
    return vnet.gateway4 if version == 4 else vnet.gateway6


def ipv4(world: World, vm: str) -> str:
    """Return a guest's first IPv4 address."""
    return world.guests[vm].ipv4[0]


def resolve_both(world: World, one: str, other: str, version: int = 4) -> None:
    """Let both guests forget each other and resolve each other, one after the other."""
    for asking, asked in ((one, other), (other, one)):
        guest = world.guests[asked]
        world.forget(one)
        world.forget(other)
        world.resolve(asking, guest.ipv4[0] if version == 4 else guest.link_local)
        world.wait(0.3)


def elsewhere(world: World, *taken: str) -> str:
    """Return a VTEP that is none of these guests' homes, counted from the last."""
    homes = {world.guests[vm].vtep for vm in taken}
    return next(name for name in reversed(world.fabric.vteps) if name not in homes)
