"""Build every sample that is made from prints or simulated: `python samples/build.py [NAME...]`.

The founding case is rebuilt from the tcpdump prints beside it: exactly those frames at exactly
those times. Simulated samples come from evpn_pcap.synth.scenarios, one module a sample.
Real samples are copies of lab captures and are not built.
"""

import re
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from evpn_pcap.synth import Record, frames, scenarios, write_pcap

SAMPLES = Path(__file__).parent
DAY = "2026-01-15"  # the prints have no date; the READMEs say so
MACS = {
    "10.2.1.11": "bc:24:11:00:00:01",
    "10.2.1.12": "bc:24:11:00:00:02",
    "fe80::be24:11ff:fe00:1": "bc:24:11:00:00:01",
    "fe80::be24:11ff:fe00:2": "bc:24:11:00:00:02",
}  # from `ip addr` on both VMs


def _who_has(target: str, requester: str) -> bytes:
    return frames.arp_request(MACS[requester], requester, target)


def _is_at(ip: str, mac: str) -> bytes:
    (requester,) = {"10.2.1.11", "10.2.1.12"} - {ip}
    return frames.arp_reply(mac, ip, MACS[requester], requester)


def _solicitation(source: str, target: str) -> bytes:
    return frames.neighbour_solicitation(MACS[source], source, target)


def _advertisement(source: str, destination: str, target: str) -> bytes:
    told = (MACS[target], target)
    return frames.neighbour_advertisement((MACS[source], source), (MACS[destination], destination), told)


def _echo(source: str, destination: str, kind: str, identifier: str, sequence: str) -> bytes:
    ends = (MACS[source], source), (MACS[destination], destination)
    return frames.echo(*ends, int(identifier), int(sequence), is_reply=kind == "reply")


PRINTS: dict[re.Pattern[str], Callable[..., bytes]] = {
    re.compile(r"ARP, Request who-has (\S+) tell (\S+), length 28"): _who_has,
    re.compile(r"ARP, Reply (\S+) is-at (\S+), length 28"): _is_at,
    re.compile(r"IP6 (\S+) > \S+: ICMP6, neighbor solicitation, who has (\S+), length 32"): _solicitation,
    re.compile(r"IP6 (\S+) > (\S+): ICMP6, neighbor advertisement, tgt is (\S+), length 32"): _advertisement,
    re.compile(r"IP6? (\S+) > (\S+): ICMP6?,? echo (\w+), id (\d+), seq (\d+), length 64"): _echo,
}


def frames_of(text: str) -> Iterator[Record]:
    """Yield a frame for every packet line of a tcpdump print; a line with a time that fits nothing is an error."""
    for line in text.splitlines():
        stamped = re.match(r"(\d\d:\d\d:\d\d)\.(\d{6}) (.*)", line)
        if not stamped:
            continue  # the shell's prompt, "...", "^C"
        clock, microseconds, words = stamped.groups()
        (octets,) = [encode(*found.groups()) for form, encode in PRINTS.items() if (found := form.fullmatch(words))]
        seconds = int(datetime.fromisoformat(f"{DAY}T{clock}+00:00").timestamp())
        yield Record(seconds * 10**9 + int(microseconds) * 1000, octets)


def founding_case(folder: Path) -> None:
    """Write vm1.pcap and vm2.pcap from vm1-tcpdump.txt and vm2-tcpdump.txt."""
    for text in sorted(folder.glob("*-tcpdump.txt")):
        write_pcap(folder / text.name.replace("-tcpdump.txt", ".pcap"), frames_of(text.read_text()))


def simulated(folder: Path) -> None:
    """Write the captures and truth of the scenario that has the folder's name."""
    scenarios.SCENARIOS[folder.name]().write(folder)


def builder_of(name: str) -> Callable[[Path], None]:
    """Return what builds the sample of this name."""
    return founding_case if name.startswith("founding-case") else simulated


def main(names: list[str]) -> None:
    """Build the named samples, or all that can be built."""
    founding = [folder.name for folder in SAMPLES.glob("founding-case-*")]
    for name in names or sorted([*founding, *scenarios.SCENARIOS]):
        builder_of(name)(SAMPLES / name)
        print(f"built {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
