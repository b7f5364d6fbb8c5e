"""Two segments with the same addresses: what is known in one says nothing about the other."""

from samples.lab.story import Scenario, open_primed, resolve_both
from samples.lab.world import World


def drive(world: World) -> None:
    """The first segment has a gateway and is suppressed; the second has none and is flooded."""
    open_primed(world, "vm1", "vm2")
    world.boot("vm5", "vm6")
    for _ in range(2):
        resolve_both(world, "vm1", "vm2")
        resolve_both(world, "vm5", "vm6")
    resolve_both(world, "vm5", "vm6", version=6)
    resolve_both(world, "vm1", "vm2", version=6)


SCENARIO = Scenario(
    "two-segments",
    "the same addresses in two VNIs: suppressed in one, flooded in the other",
    drive,
    made_for=("no-svi-address",),
    fabrics=("overlapping",),
    seconds=16,
)
