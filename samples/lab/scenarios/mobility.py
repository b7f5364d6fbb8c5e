"""A guest moves to another VTEP and back: announced by itself, its QEMU, nobody, or to deaf ears (RFC 7432, 15)."""

from functools import partial

from samples.lab.story import FIRST, Scenario, elsewhere, ipv4, open_primed, prime, resolve_both
from samples.lab.world import World

ASKED_BACK_S = 5.5  # an SVI asks by unicast 5 s after use: over before the move, or it teaches the new VTEP at times


def drive(world: World, how: str, accepts: bool) -> None:
    """Two suppressed guests; one moves away, is asked for in every phase, and moves back."""
    open_primed(world, "vm1", "vm2")
    world.wait(ASKED_BACK_S)
    world.accept_untracked(FIRST, accepts)
    resolve_both(world, "vm1", "vm2")
    home = world.guests["vm2"].vtep
    if not accepts:
        _move_unheard(world)
        return
    for destination in (elsewhere(world, "vm1", "vm2"), home):
        world.move("vm2", destination, how)
        world.resolve("vm1", ipv4(world, "vm2"))  # in the middle of it
        world.wait(0.7)
        world.resolve("vm1", ipv4(world, "vm2"))
        world.resolve("vm1", world.guests["vm2"].link_local)
        world.wait(0.5)
        resolve_both(world, "vm1", "vm2")  # its own traffic has told everyone
        world.wait(0.5)


def _move_unheard(world: World) -> None:
    """The announcement teaches the new VTEP the MAC and nothing else; seconds later an exchange teaches the address."""
    world.move("vm2", elsewhere(world, "vm1", "vm2"), "gratuitous")
    world.wait(7.0)
    prime(world, "vm2")
    world.resolve("vm1", ipv4(world, "vm2"))
    world.wait(0.5)


def _scenario(
    name: str,
    story: str,
    how: str,
    accepts: bool,
    made_for: tuple[str, ...] = (),
    also_shows: tuple[str, ...] = (),
) -> Scenario:
    fabrics = ("proxmox", "vlan-aware", "reflector", "port-8472", "overlapping")
    return Scenario(name, story, partial(drive, how=how, accepts=accepts), made_for, also_shows, fabrics, seconds=20)


SCENARIOS = (
    _scenario(
        "mobility-gratuitous",
        "a guest moves and announces itself",
        "gratuitous",
        accepts=True,
        also_shows=("announcement-ignored",),  # although arp_accept is on
    ),
    _scenario("mobility-rarp", "a guest moves, its QEMU sends a RARP", "rarp", accepts=True),
    _scenario("mobility-silent", "a guest moves without a word", "silent", accepts=True),
    _scenario(
        "mobility-ignored",
        "a guest moves and announces itself; arp_accept and accept_untracked_na are off",
        "gratuitous",
        accepts=False,
        made_for=("announcement-ignored",),
        also_shows=("anycast-reply-swallowed",),
    ),
)
