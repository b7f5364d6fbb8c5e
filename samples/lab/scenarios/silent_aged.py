"""A silent host is forgotten by its VTEP and withdrawn; when it speaks again it is announced anew."""

from functools import partial

from samples.lab.story import FIRST, Scenario, ipv4, open_primed, prime
from samples.lab.world import World

SHORT_S, USUAL_S = 4, 300


def drive(world: World, ageing_s: int) -> None:
    """Suppressed, silence, withdrawn, flooded, back."""
    open_primed(world, "vm1", "vm2")
    target = ipv4(world, "vm2")
    world.resolve("vm1", target)
    world.wait(0.5)
    world.age_after(FIRST, ageing_s)
    world.freeze("vm2")  # not even the SVI's probes are answered
    world.wait(ageing_s + 8.0)  # and as long as the kernel puts it off: its timer waits for a busy processor
    world.until_aged("vm2", seconds=60.0)
    world.resolve("vm1", target)
    world.thaw("vm2")
    world.wait(2.2)
    world.resolve("vm1", target)
    prime(world, "vm2")
    world.resolve("vm1", target)
    world.wait(0.3)


def _scenario(name: str, ageing_s: int, made_for: tuple[str, ...], fabrics: tuple[str, ...]) -> Scenario:
    story = f"a host falls silent, is withdrawn after {ageing_s} s and comes back"
    also = ("gateway-primed",)
    return Scenario(name, story, partial(drive, ageing_s=ageing_s), made_for, also, fabrics, seconds=ageing_s + 20)


SCENARIOS = (
    _scenario("silent-aged", SHORT_S, (), ("proxmox", "vlan-aware", "reflector", "pair")),
    _scenario("silent-aged-slow", USUAL_S, ("silent-host-aged",), ("proxmox",)),  # the kernel's own ageing time
)
