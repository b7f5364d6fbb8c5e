"""What a simulation leaves: captures by vantage point on each host's own clock, and the truth."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evpn_pcap.synth.clock import SECOND, Clock
from evpn_pcap.synth.fabric import Fabric
from evpn_pcap.synth.writer import Channel, Record, write_pcap, write_pcapng

Captures = Mapping[tuple[str, str], tuple[Record, ...]]  # by (host, point)


@dataclass(frozen=True, slots=True)
class Recording:
    """Captures of every vantage point, and what truly happened.

    `truth` has `resolutions` (requester, target, protocol, t, class, answered_by ...),
    `announcements`, `macip_events`; times `t` are true seconds, `t_ns` the same as whole ns.
    """

    fabric: Fabric
    captures: Captures
    truth: dict[str, Any]
    started_ns: int  # true time at which everybody began to listen
    ended_ns: int

    def clock(self, host: str) -> Clock:
        """Return how far a host's clock is wrong."""
        return self.fabric.clocks.get(host, Clock())

    def offset_ns(self, host: str, reference: str, true_ns: int) -> int:
        """Return clock(host) - clock(reference) at a true moment."""
        begin_ns = self.fabric.start_ns
        return self.clock(host).reading(true_ns, begin_ns) - self.clock(reference).reading(true_ns, begin_ns)

    def skew(self) -> dict[str, Any]:
        """Return the clock errors in the form of skew.json."""
        hosts = sorted({host for host, _ in self.captures})
        return {
            "t0": self.fabric.start_ns / SECOND,
            "formula": "stamp = t + offset_s + drift_ppm*1e-6*(t-t0) + (step_s if t-t0 >= step_at_s)",
            "hosts": {host: _clock_words(self.clock(host)) for host in hosts},
        }

    def write(
        self, folder: Path, points: Collection[str] | None = None, form: str = "pcap", *, nanoseconds: bool = False
    ) -> None:
        """Write the captures with truth.json and skew.json into a folder.

        `points` chooses among all, as `host-point` or `host`. `form` is "pcap" (a file for each
        point) or "pcapng" (a file for each host, with interface names and statistics).
        """
        folder.mkdir(parents=True, exist_ok=True)
        chosen = {
            (host, point): records
            for (host, point), records in sorted(self.captures.items())
            if points is None or host in points or f"{host}-{point}" in points
        }
        {"pcap": self._write_pcap, "pcapng": self._write_pcapng}[form](folder, chosen, nanoseconds)
        (folder / "truth.json").write_text(json.dumps(self.truth, indent=1) + "\n")
        (folder / "skew.json").write_text(json.dumps(self.skew(), indent=1) + "\n")

    def _write_pcap(self, folder: Path, chosen: Captures, nanoseconds: bool) -> None:
        for (host, point), records in chosen.items():
            write_pcap(folder / f"{host}-{point}.pcap", records, nanoseconds=nanoseconds)

    def _write_pcapng(self, folder: Path, chosen: Captures, _: bool) -> None:
        for host in sorted({host for host, _ in chosen}):
            clock, begin_ns = self.clock(host), self.fabric.start_ns
            limits = clock.reading(self.started_ns, begin_ns), clock.reading(self.ended_ns, begin_ns)
            points = [(point, records) for (owner, point), records in chosen.items() if owner == host]
            channels = [Channel(point, records, *limits) for point, records in points]
            write_pcapng(folder / f"{host}.pcapng", channels)


def _clock_words(clock: Clock) -> dict[str, float]:
    """Return one host's entry of skew.json."""
    words = {"offset_s": clock.offset_ns / SECOND, "drift_ppm": clock.drift_ppb / 1000}
    step = {"step_s": clock.step_ns / SECOND, "step_at_s": clock.step_after_ns / SECOND}
    return words | (step if clock.step_ns else {})
