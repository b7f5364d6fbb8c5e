"""A fabric that never was: captures with known truth and known clock errors, from own encoders.

    fabric = synth.small_fabric(vteps=2, clocks={"pve2": synth.Clock(offset_ns=3_000_000, drift_ppb=12_000)})
    lab = synth.Simulation(fabric)
    lab.start_sessions()
    lab.ping("vm1", "vm2")            # flooded: nobody knows vm2's address
    lab.ping("vm2", fabric.gateway)   # learned: a MAC/IP route follows
    lab.wait(1)
    lab.forget("vm1")
    lab.ping("vm1", "vm2")            # suppressed
    lab.recording().write(Path("folder"))  # pcap files, truth.json, skew.json

The same calls give the same octets. Nothing here reads what decode/ does.
"""

from evpn_pcap.synth.clock import Clock
from evpn_pcap.synth.fabric import Fabric, Vm, Vtep, small_fabric
from evpn_pcap.synth.habit import Habit
from evpn_pcap.synth.recording import Recording
from evpn_pcap.synth.simulation import Simulation
from evpn_pcap.synth.writer import Channel, Record, write_pcap, write_pcapng

__all__ = [
    "Channel",
    "Clock",
    "Fabric",
    "Habit",
    "Record",
    "Recording",
    "Simulation",
    "Vm",
    "Vtep",
    "small_fabric",
    "write_pcap",
    "write_pcapng",
]
