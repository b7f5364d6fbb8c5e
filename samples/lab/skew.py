"""Captures of one machine get the clocks of many: known errors, in integers, put on afterwards (pcap, pcapng).

`python -m samples.lab.skew IN OUT --seed 7 --days 2` writes IN's captures with other time stamps to OUT, and skew.json,
which says for each host what was done. A clock shows, at a true time t,
    t + offset_ns + drift_ppb * (t - t0) / 10^9 + wander + all steps since + all slews so far
where wander is a wave of parabolas (amplitude_ns, period_ns) and a slew runs at rate_ppb from from_ns to until_ns.
"""

import argparse
import gzip
import json
import random
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

S_NS = 1_000_000_000
FORMULA = (
    "stamp_ns = t_ns + offset_ns + drift_ppb*(t_ns-t0_ns)//10**9 + wander + sum(step_ns of steps with at_ns <= t_ns)"
    " + sum(rate_ppb*(min(t_ns, until_ns)-from_ns)//10**9 of slews with from_ns <= t_ns);"
    " wander: p = (t_ns-t0_ns) % period_ns, h = period_ns//2, q = p % h, +-4*amplitude_ns*q*(h-q)//h**2, + while p < h"
)
PCAP = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # magic to ns a tick
PCAPNG_SECTION, PCAPNG_INTERFACE, PCAPNG_OLD_PACKET, PCAPNG_STATISTICS, PCAPNG_PACKET = 0x0A0D0D0A, 1, 2, 5, 6
BYTE_ORDER = 0x1A2B3C4D
TSRESOL, TSOFFSET, STARTED, ENDED = 9, 14, 2, 3


@dataclass(frozen=True, slots=True)
class Step:
    """A clock is set."""

    at_ns: int
    step_ns: int


@dataclass(frozen=True, slots=True)
class Slew:
    """A clock is brought near another time by running fast or slow for a while."""

    from_ns: int
    until_ns: int
    rate_ppb: int


@dataclass(frozen=True, slots=True)
class Clock:
    """How wrong one host's clock is; all numbers are integers, times are true times."""

    t0_ns: int
    offset_ns: int = 0
    drift_ppb: int = 0
    amplitude_ns: int = 0
    period_ns: int = 60 * S_NS
    steps: tuple[Step, ...] = ()
    slews: tuple[Slew, ...] = ()

    def stamp(self, t_ns: int) -> int:
        """Return what the clock shows at a true time."""
        elapsed_ns = t_ns - self.t0_ns
        steps = sum(one.step_ns for one in self.steps if one.at_ns <= t_ns)
        slews = sum(
            one.rate_ppb * (min(t_ns, one.until_ns) - one.from_ns) // S_NS for one in self.slews if one.from_ns <= t_ns
        )
        return t_ns + self.offset_ns + self.drift_ppb * elapsed_ns // S_NS + self._wander(elapsed_ns) + steps + slews

    def _wander(self, elapsed_ns: int) -> int:
        half_ns = self.period_ns // 2
        phase_ns = elapsed_ns % self.period_ns
        within_ns = phase_ns % half_ns
        size_ns = 4 * self.amplitude_ns * within_ns * (half_ns - within_ns) // half_ns**2
        return size_ns if phase_ns < half_ns else -size_ns


Stamp = Callable[[int], int]


def write_clocks(path: Path, source: str, clocks: dict[str, Clock]) -> None:
    """Write skew.json. The seconds and ppm beside the integers are for people, and for readers of the older form."""
    hosts = {}
    for host, clock in sorted(clocks.items()):
        words = {name: value for name, value in asdict(clock).items() if name != "t0_ns"}
        hosts[host] = {"offset_s": clock.offset_ns / S_NS, "drift_ppm": clock.drift_ppb / 1000} | words
    (t0_ns,) = {clock.t0_ns for clock in clocks.values()}
    told = {"source": source, "t0": t0_ns / S_NS, "t0_ns": t0_ns, "formula": FORMULA, "hosts": hosts}
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="ascii")


def read_clocks(path: Path) -> dict[str, Clock]:
    """Return each host's clock from a skew.json, also of the older form: t0, offset_s and drift_ppm only."""
    told = json.loads(path.read_text(encoding="ascii"))
    t0_ns = told.get("t0_ns", round(told["t0"] * S_NS))
    clocks = {}
    for host, words in told["hosts"].items():
        clocks[host] = Clock(
            t0_ns,
            words.get("offset_ns", round(words["offset_s"] * S_NS)),
            words.get("drift_ppb", round(words["drift_ppm"] * 1000)),
            words.get("amplitude_ns", 0),
            words.get("period_ns", 60 * S_NS),
            tuple(Step(**one) for one in words.get("steps", ())),
            tuple(Slew(**one) for one in words.get("slews", ())),
        )
    return clocks


def steady_clocks(hosts: list[str], seed: int, begin_ns: int, days: int = 2) -> dict[str, Clock]:
    """Return clocks that are off (one host in three by days), drift by up to 50 ppm, and do nothing else."""
    clocks = random_clocks(hosts, seed, begin_ns, begin_ns + S_NS, days)
    return {host: Clock(one.t0_ns, one.offset_ns, one.drift_ppb) for host, one in clocks.items()}


def random_clocks(hosts: list[str], seed: int, begin_ns: int, end_ns: int, days: int = 2) -> dict[str, Clock]:
    """Return clocks as wrong as unattended machines have them: one host in three days off, +-50 ppm, steps, slews."""
    dice = random.Random(seed)
    clocks = {}
    for number, host in enumerate(sorted(hosts)):
        far_ns = days * 86_400 * S_NS if number % 3 == 1 else S_NS
        at_ns = dice.randrange(begin_ns, end_ns)
        from_ns = dice.randrange(begin_ns, end_ns)
        clocks[host] = Clock(
            begin_ns,
            dice.randrange(-far_ns, far_ns),
            dice.randrange(-50_000, 50_001),
            dice.randrange(50_000),
            dice.randrange(40 * S_NS, 120 * S_NS),
            (Step(at_ns, dice.choice((-1, 1)) * 5_000_000),) if number % 4 == 2 else (),
            (Slew(from_ns, from_ns + 5 * S_NS, dice.choice((-1, 1)) * 100_000),) if number % 4 == 3 else (),
        )
    return clocks


def skew_file(source: Path, target: Path, stamp: Stamp) -> None:
    """Write a capture with each time stamp replaced by what `stamp` makes of it, cut to the file's resolution.

    Reads pcap and pcapng of both byte orders, and either gzipped; a cut last record stays as it is. Raises ValueError
    for other files.
    """
    octets = source.read_bytes()
    is_packed = octets[:2] == b"\x1f\x8b"
    plain = bytearray(gzip.decompress(octets) if is_packed else octets)
    if plain[:4] == struct.pack("<I", PCAPNG_SECTION):
        _skew_pcapng(plain, stamp)
    else:
        _skew_pcap(plain, stamp, source)
    target.write_bytes(gzip.compress(plain, mtime=0) if is_packed else plain)


def _skew_pcap(octets: bytearray, stamp: Stamp, source: Path) -> None:
    if len(octets) < 24:
        return  # a capture that was killed before it wrote anything
    for order in "<>":
        magic = struct.unpack_from(f"{order}I", octets)[0]
        if magic in PCAP:
            break
    else:
        raise ValueError(f"{source}: neither pcap nor pcapng")
    tick_ns, record = PCAP[magic], struct.Struct(f"{order}IIII")
    at = 24
    while at + 16 <= len(octets):
        seconds, ticks, kept, _ = record.unpack_from(octets, at)
        shown_ns = stamp(seconds * S_NS + ticks * tick_ns)
        struct.pack_into(f"{order}II", octets, at, shown_ns // S_NS, shown_ns % S_NS // tick_ns)
        at += 16 + kept


def _skew_pcapng(octets: bytearray, stamp: Stamp) -> None:
    at, order = 0, "<"
    ticks: list[tuple[int, int]] = []
    while at + 12 <= len(octets):
        kind = struct.unpack_from(f"{order}I", octets, at)[0]
        if kind == PCAPNG_SECTION:
            order = "<" if struct.unpack_from("<I", octets, at + 8)[0] == BYTE_ORDER else ">"
            ticks = []
        length = struct.unpack_from(f"{order}I", octets, at + 4)[0]
        if length < 12 or at + length > len(octets):
            return
        if kind == PCAPNG_INTERFACE:
            ticks.append(_resolution(octets, at, at + length - 4, order))
        elif kind in (PCAPNG_PACKET, PCAPNG_OLD_PACKET):
            form = f"{order}I" if kind == PCAPNG_PACKET else f"{order}H"
            _move(octets, at + 12, order, ticks[struct.unpack_from(form, octets, at + 8)[0]], stamp)
        elif kind == PCAPNG_STATISTICS:
            resolution = ticks[struct.unpack_from(f"{order}I", octets, at + 8)[0]]
            _move(octets, at + 12, order, resolution, stamp)
            for code, place in _options(octets, at + 20, at + length - 4, order):
                if code in (STARTED, ENDED):
                    _move(octets, place, order, resolution, stamp)
        at += length


def _move(octets: bytearray, at: int, order: str, resolution: tuple[int, int], stamp: Stamp) -> None:
    """Change a time stamp of two words in its place; `resolution` is ticks a second, and seconds to add."""
    per_second, offset_s = resolution
    high, low = struct.unpack_from(f"{order}II", octets, at)
    shown_ns = stamp((high << 32 | low) * S_NS // per_second + offset_s * S_NS)
    shown = (shown_ns - offset_s * S_NS) * per_second // S_NS
    struct.pack_into(f"{order}II", octets, at, shown >> 32, shown & 0xFFFFFFFF)


def _resolution(octets: bytearray, at: int, end: int, order: str) -> tuple[int, int]:
    """Return an interface's ticks a second, and the seconds that its stamps leave out (if_tsresol, if_tsoffset)."""
    places = dict(_options(octets, at + 16, end, order))
    power = octets[places[TSRESOL]] if TSRESOL in places else 6
    per_second = 2 ** (power & 0x7F) if power & 0x80 else 10**power
    offset_s = struct.unpack_from(f"{order}q", octets, places[TSOFFSET])[0] if TSOFFSET in places else 0
    return per_second, offset_s


def _options(octets: bytearray, at: int, end: int, order: str) -> list[tuple[int, int]]:
    """Return the options of a block: code, and where the value begins."""
    found = []
    while at + 4 <= end:
        code, length = struct.unpack_from(f"{order}HH", octets, at)
        if code == 0:
            break
        found.append((code, at + 4))
        at += 4 + length + -length % 4
    return found


def skew_folder(source: Path, target: Path, clocks: dict[str, Clock]) -> None:
    """Write every capture of a folder with its host's clock, and skew.json beside them; truth stays in true time."""
    target.mkdir(parents=True, exist_ok=True)
    for path in captures_in(source):
        skew_file(path, target / path.name, clocks[host_of(path)].stamp)
    write_clocks(target / "skew.json", source.name, clocks)


def captures_in(folder: Path) -> list[Path]:
    """Return a folder's capture files: `<host>-<point>.pcap`, whatever the ring or gzip adds to the name."""
    return sorted(path for path in folder.iterdir() if ".pcap" in path.name)


def host_of(path: Path) -> str:
    """Return the host that a capture is from."""
    return path.name.partition("-")[0]


def main() -> None:
    """Skew a folder's captures."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.skew", description=main.__doc__)
    parser.add_argument("source", type=Path, help="folder with captures and truth.json")
    parser.add_argument("target", type=Path, help="folder to write to")
    parser.add_argument("--seed", type=int, default=1, help="of the random clocks")
    parser.add_argument("--days", type=int, default=2, help="how far off the worst are")
    parser.add_argument("--clocks", type=Path, help="a skew.json to put on again, instead of random clocks")
    asked = parser.parse_args()
    truth = json.loads((asked.source / "truth.json").read_text(encoding="utf-8"))
    begin_ns, end_ns = (round(truth[name] * 1_000_000) * 1000 for name in ("lab_start", "lab_end"))
    hosts = sorted({host_of(path) for path in captures_in(asked.source)})
    clocks = (
        read_clocks(asked.clocks) if asked.clocks else random_clocks(hosts, asked.seed, begin_ns, end_ns, asked.days)
    )
    skew_folder(asked.source, asked.target, clocks)


if __name__ == "__main__":
    main()
