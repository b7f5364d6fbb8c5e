"""Two guests behind two VTEPs send from one virtual MAC, as two VRRP masters do (FRR #9327)."""

from samples.lab import frames
from samples.lab.story import Scenario, open_primed
from samples.lab.world import World

VIRTUAL_MAC = "00:00:5e:00:01:0a"
VIRTUAL_IP = "10.2.1.100"


def drive(world: World) -> None:
    """Both announce the virtual address in turn; a third asks for it."""
    open_primed(world, "vm1", "vm2", "vm4")
    for _ in range(3):
        for vm in ("vm2", "vm4"):
            world.send_frame(vm, frames.announcement(VIRTUAL_MAC, VIRTUAL_IP), f"{VIRTUAL_IP} is at {VIRTUAL_MAC}")
            world.wait(0.5)
        world.arping("vm1", VIRTUAL_IP)


SCENARIO = Scenario(
    "shared-mac",
    "one virtual MAC from two VTEPs: the mobility sequence climbs",
    drive,
    made_for=("virtual-mac-race",),
    fabrics=("proxmox", "vlan-aware", "reflector"),
    seconds=16,
)
