"""DAD and address probes are kept off the fabric: an address can be taken twice unheard (RFC 5227, 4862)."""

from samples.lab.story import FIRST, Scenario, ipv4, open_primed, resolve_both
from samples.lab.world import World

GLOBAL = "2001:db8:1::12"


def drive(world: World) -> None:
    """Probe for addresses in use and not in use, with suppression and without."""
    open_primed(world, "vm1", "vm2")
    world.add_address("vm2", GLOBAL)
    world.wait(2.0)
    world.resolve("vm2", "2001:db8:1::1")
    resolve_both(world, "vm1", "vm2")
    world.probe("vm1", ipv4(world, "vm2"), count=2)  # in use behind another VTEP: silence
    world.probe("vm1", "10.2.1.77")  # not in use
    world.announce("vm1", ipv4(world, "vm1"))
    world.announce("vm1", world.guests["vm1"].link_local)
    world.add_address("vm1", GLOBAL)  # DAD does not reach the owner
    world.wait(2.2)
    world.remove_address("vm1", GLOBAL)
    world.suppress(world.guests["vm1"].vtep, FIRST, on=False)
    world.probe("vm1", ipv4(world, "vm2"))  # now it is heard
    world.suppress(world.guests["vm1"].vtep, FIRST, on=True)
    world.wait(0.3)


SCENARIO = Scenario(
    "probes",
    "address probes, DAD and announcements never leave the ingress VTEP while suppression is on",
    drive,
    made_for=("dad-blind",),
    fabrics=("proxmox", "vlan-aware", "reflector", "pair"),
    seconds=18,
)
