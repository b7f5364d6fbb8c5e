"""A probe is answered with the prober's own MAC, as a broken proxy does (OpenWrt #14309)."""

from samples.lab import frames
from samples.lab.story import Scenario
from samples.lab.world import World

WANTED = "10.2.1.66"


def drive(world: World) -> None:
    """A neighbour behind the same VTEP sends what the broken proxy would send."""
    world.boot("vm1", "vm3", "vm2")
    prober, broken = world.guests["vm1"], world.guests["vm3"]
    claim = bytearray(frames.arp(frames.REPLY, (prober.mac, WANTED), (prober.mac, "0.0.0.0"), prober.mac))
    claim[6:12] = frames.octets(broken.mac)  # the Ethernet source: nobody learns the prober at a wrong port
    asks = frames.arp(frames.REQUEST, (prober.mac, "0.0.0.0"), (frames.NOBODY, WANTED))
    for _ in range(2):
        world.send_frame("vm1", asks, f"probe for {WANTED}")
        world.send_frame("vm3", bytes(claim), f"{WANTED} is at {prober.mac}")
        world.wait(1.0)


SCENARIO = Scenario(
    "false-conflict",
    "a probe is answered with the prober's own MAC",
    drive,
    made_for=("false-conflict",),
    fabrics=("proxmox", "vlan-aware"),
    seconds=12,
)
