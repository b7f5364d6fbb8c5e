"""Ten guests and more at work: everyone asks for everyone, tables are flushed, traffic of all kinds goes on."""

from functools import partial
from itertools import islice, permutations
from random import Random

from samples.lab.story import FIRST, LEARNED_S, Scenario, gateway, ipv4
from samples.lab.world import World

SEED = 20261122
AT_ONCE = 6
NOBODY = "10.2.1.250"


def drive(world: World, rounds: int) -> None:
    """Rounds of resolutions, a few at a time, between pairs drawn by lot; now and then something changes."""
    lot = Random(SEED)
    names = [vm.name for vm in world.fabric.vms if vm.vnet == FIRST]
    world.add_gateway(FIRST)
    world.boot(*names)
    for few in _in_groups(names, AT_ONCE):
        world.resolve_all([(vm, gateway(world, vm)) for vm in few if lot.random() < 0.8])
    world.wait(LEARNED_S)
    pairs = list(permutations(names, 2))
    for turn in range(rounds):
        asked = lot.sample(pairs, AT_ONCE)
        world.resolve_all([(one, _address(world, lot, other)) for one, other in asked])
        if turn % 10 == 9:
            _disturb(world, lot, names)
    world.wait(LEARNED_S)


def _address(world: World, lot: Random, vm: str) -> str:
    guest = world.guests[vm]
    return lot.choice((guest.ipv4[0], guest.ipv4[0], guest.link_local))


def _disturb(world: World, lot: Random, names: list[str]) -> None:
    vm = lot.choice(names)
    match lot.randrange(5):
        case 0:
            world.forget(vm)
        case 1:
            world.resolve(vm, gateway(world, vm))
        case 2:
            world.resolve(vm, NOBODY)
        case 3:
            world.forget_neighbour(world.guests[vm].vtep, FIRST, ipv4(world, vm))
        case _:
            elsewhere = [vtep for vtep in world.fabric.vteps if vtep != world.guests[vm].vtep]
            world.move(vm, lot.choice(elsewhere), "gratuitous")


def _in_groups(names: list[str], size: int) -> list[list[str]]:
    left = iter(names)
    return list(iter(lambda: list(islice(left, size)), []))


SCENARIOS = (
    Scenario(
        "busy",
        "ten guests and more, a few hundred resolutions, moves and flushes among them",
        partial(drive, rounds=50),
        also_shows=("announcement-ignored", "gateway-primed"),
        fabrics=("six", "twelve"),
        capture="each",
        seconds=30,
    ),
    Scenario(
        "busy-thousand",
        "the same with more than a thousand resolutions",
        partial(drive, rounds=190),
        also_shows=("announcement-ignored", "gateway-primed"),
        fabrics=("six",),
        capture="each",
        seconds=60,
    ),
)
