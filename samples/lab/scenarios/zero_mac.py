"""A broken host says that its address is at 00:00:00:00:00:00."""

from samples.lab import frames
from samples.lab.story import Scenario, ipv4
from samples.lab.world import World

ABSENT = "10.2.1.88"


def drive(world: World) -> None:
    """A request for an absent address, and an answer of nothing but zeros."""
    world.boot("vm1", "vm2")
    asking, answering = world.guests["vm1"], world.guests["vm2"]
    world.resolve("vm1", ipv4(world, "vm2"))
    for _ in range(2):
        world.arping("vm1", ABSENT)
        target = (asking.mac, asking.ipv4[0])
        claim = bytearray(frames.arp(frames.REPLY, (frames.NOBODY, ABSENT), target, asking.mac))
        claim[6:12] = frames.octets(answering.mac)  # the Ethernet source is the host's own
        world.send_frame("vm2", bytes(claim), f"{ABSENT} is at {frames.NOBODY}")
        world.wait(0.5)


SCENARIO = Scenario(
    "zero-mac",
    "an answer with the MAC 00:00:00:00:00:00",
    drive,
    made_for=("zero-mac-reply",),
    seconds=10,
)
