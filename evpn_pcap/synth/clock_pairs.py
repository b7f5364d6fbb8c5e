"""Bare pairs of clocks: the stamps of frames that two hosts both saw, without frames, and the truth about the clocks.

Scenarios of a fabric whose least round trip is 80 us: delay 40 us + gamma(shape 1.5, mean 60 us), one frame in 200
up to 5 ms late, stamps of a microsecond. Made from a seed; knows nothing of what estimates clocks.
"""

from dataclasses import dataclass, replace

import numpy as np

from evpn_pcap.synth.clock import SECOND, Clock

START_NS = 1_795_375_633 * SECOND
SPAN_NS = 600 * SECOND
FLOOR_NS = 40_000
JITTER_SHAPE, JITTER_NS = 1.5, 60_000
LATE_SHARE, LATE_NS = 0.005, 5_000_000
BOGUS_NS = SECOND  # a wrong match is up to this far off, either way
HOUR_NS = 3_600 * SECOND


@dataclass(frozen=True, slots=True)
class Scene:
    """What two clocks and the traffic between them are like."""

    wander_ppb: float = 10.0
    bogus_share: float = 0.01
    step_ns: int = 0  # either sign, one of the two clocks, somewhere between 20% and 80% of the time
    slew_ppb: int = 0
    slew_for_ns: int = 0
    floor_there_ns: int = FLOOR_NS
    floor_back_ns: int = FLOOR_NS
    jitter_there_ns: int = JITTER_NS
    share_there: float = 0.5
    frames_a_burst: int = 0  # 0: Poisson
    gap_share: float = 0.0  # of the time, in one silence
    offset_ns: int = 0


SCENES = {
    "linear": Scene(wander_ppb=0, bogus_share=0),
    "wander": Scene(bogus_share=0),
    "bogus": Scene(),
    "full": Scene(step_ns=5_000_000),
    "step 0.3 ms": Scene(step_ns=300_000),
    "step 1 s": Scene(step_ns=SECOND),
    "bogus 40%": Scene(bogus_share=0.4, step_ns=5_000_000),
    "wander x10": Scene(wander_ppb=100),
    "bursty": Scene(step_ns=5_000_000, frames_a_burst=50),
    "gap": Scene(step_ns=5_000_000, gap_share=0.4),
    "slew 50 ppm x 100 s": Scene(slew_ppb=50_000, slew_for_ns=100 * SECOND),
    "slew 500 ppm x 10 s": Scene(slew_ppb=500_000, slew_for_ns=10 * SECOND),
    "uneven 20:1": Scene(step_ns=5_000_000, share_there=20 / 21),
    "floors 40/60": Scene(floor_back_ns=60_000, step_ns=5_000_000),
    "jitter 60/300": Scene(jitter_there_ns=300_000, step_ns=5_000_000),
    "+2 h": Scene(step_ns=5_000_000, offset_ns=2 * HOUR_NS),
    "one way": Scene(share_there=1.0),
}


@dataclass(frozen=True, slots=True)
class BarePair:
    """Frames that hosts a and b both saw: each host's stamp, and whether a sent it; and the two clocks."""

    a_ns: np.ndarray
    b_ns: np.ndarray
    is_from_a: np.ndarray
    clock_a: Clock
    clock_b: Clock

    def moments(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what a shows at random moments, and by how much b is ahead of a then (ns)."""
        true_ns = START_NS + np.sort(np.random.default_rng(seed).integers(0, SPAN_NS, count))
        shown = self.clock_a.reading(true_ns, START_NS)
        return shown, self.clock_b.reading(true_ns, START_NS) - shown

    @property
    def step(self) -> tuple[int, int] | None:
        """What a showed just before a clock was set, and how far b - a moved then."""
        for clock, sign in ((self.clock_a, -1), (self.clock_b, 1)):
            if clock.step_ns:
                before_ns = START_NS + clock.step_after_ns - 1
                return int(self.clock_a.reading(before_ns, START_NS)), sign * clock.step_ns
        return None


def some_clock(rng: np.random.Generator, wander_ppb: float = 10.0) -> Clock:
    """Return a clock up to 2 s off that runs up to 50 ppm fast or slow."""
    return Clock(
        offset_ns=int(rng.integers(-2 * SECOND, 2 * SECOND)),
        drift_ppb=int(rng.integers(-50_000, 50_000)),
        wander_ppb=wander_ppb,
        wander_seed=int(rng.integers(1 << 62)),
    )


def simulate_pair(scene: Scene, count: int, seed: int) -> BarePair:
    """Return `count` matched frames of two hosts over ten minutes."""
    rng = np.random.default_rng(seed)
    clocks = [some_clock(rng, scene.wander_ppb / 2**0.5), some_clock(rng, scene.wander_ppb / 2**0.5)]
    who, when = int(rng.integers(2)), int(rng.uniform(0.2, 0.8) * SPAN_NS)
    sign = int(rng.choice([-1, 1]))
    changed = replace(
        clocks[who],
        step_ns=sign * scene.step_ns,
        step_after_ns=when if scene.step_ns else 0,
        slew_ppb=sign * scene.slew_ppb,
        slew_after_ns=min(when, SPAN_NS - scene.slew_for_ns) if scene.slew_ppb else 0,
        slew_for_ns=scene.slew_for_ns,
    )
    clocks[who] = changed
    clocks[1] = replace(clocks[1], offset_ns=clocks[1].offset_ns + scene.offset_ns)
    return stamped(scene, sent_ns(scene, count, rng), clocks[0], clocks[1], rng)


def sent_ns(scene: Scene, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return true times of sending: Poisson, or in bursts of a fifth of a second, without those in the silence."""
    if scene.frames_a_burst:
        begins = rng.integers(0, SPAN_NS, max(1, count // scene.frames_a_burst))
        sent = begins[rng.integers(0, len(begins), count)] + rng.integers(0, SECOND // 5, count)
    else:
        sent = rng.integers(0, SPAN_NS, count)
    if scene.gap_share:
        begins_ns = rng.uniform(0.1, 0.9 - scene.gap_share) * SPAN_NS
        is_silent = (sent >= begins_ns) & (sent < begins_ns + scene.gap_share * SPAN_NS)
        sent = sent[~is_silent]
    return START_NS + np.sort(sent)


def stamped(scene: Scene, sent: np.ndarray, clock_a: Clock, clock_b: Clock, rng: np.random.Generator) -> BarePair:
    """Return the frames sent at true times as both clocks show them, to a microsecond, in order of a's stamps."""
    is_from_a = rng.random(len(sent)) < scene.share_there
    floor = np.where(is_from_a, scene.floor_there_ns, scene.floor_back_ns)
    jitter = np.where(is_from_a, scene.jitter_there_ns, JITTER_NS) / JITTER_SHAPE
    delay = floor + rng.gamma(JITTER_SHAPE, 1, len(sent)) * jitter
    delay = np.where(rng.random(len(sent)) < LATE_SHARE, delay + rng.uniform(0, LATE_NS, len(sent)), delay)
    received = sent + delay.astype(np.int64)
    a_ns = clock_a.reading(np.where(is_from_a, sent, received), START_NS) // 1000 * 1000
    b_ns = clock_b.reading(np.where(is_from_a, received, sent), START_NS) // 1000 * 1000
    is_bogus = rng.random(len(sent)) < scene.bogus_share
    b_ns = b_ns + np.where(is_bogus, rng.integers(-BOGUS_NS, BOGUS_NS, len(sent)) // 1000 * 1000, 0)
    order = np.argsort(a_ns, kind="stable")
    return BarePair(a_ns[order], b_ns[order], is_from_a[order], clock_a, clock_b)


@dataclass(frozen=True, slots=True)
class BareFabric:
    """Hosts with wrong clocks, and which of them talk: pairs (a, b), a < b, with the frames of each."""

    clocks: tuple[Clock, ...]
    pairs: tuple[tuple[int, int], ...]
    counts: tuple[int, ...]
    scenes: tuple[Scene, ...]
    seed: int

    def frames(self, number: int) -> BarePair:
        """Return the matched frames of one pair; the same each time."""
        rng = np.random.default_rng([self.seed, number])
        a, b = self.pairs[number]
        sent = sent_ns(self.scenes[number], self.counts[number], rng)
        return stamped(self.scenes[number], sent, self.clocks[a], self.clocks[b], rng)


def simulate_fabric(host_count: int, pair_count: int, seed: int, scene: Scene | None = None) -> BareFabric:
    """Return hosts of which some talk much, some little, 30% in bursts; one in 50 is set by 5 ms, the last is +2 h."""
    rng = np.random.default_rng(seed)
    scene = scene or Scene()
    clocks = [some_clock(rng, scene.wander_ppb / 2**0.5) for _ in range(host_count)]
    for host in rng.choice(host_count, max(1, host_count // 50), replace=False):
        step_ns, after_ns = int(rng.choice([-1, 1])) * 5_000_000, int(rng.uniform(0.2, 0.8) * SPAN_NS)
        clocks[host] = replace(clocks[host], step_ns=step_ns, step_after_ns=after_ns)
    clocks[-1] = replace(clocks[-1], offset_ns=clocks[-1].offset_ns + 2 * HOUR_NS)
    order = rng.permutation(host_count)
    pairs = {tuple(sorted((int(order[i]), int(order[rng.integers(i)])))) for i in range(1, host_count)}
    while len(pairs) < min(pair_count, host_count * (host_count - 1) // 2):
        a, b = sorted(int(host) for host in rng.choice(host_count, 2, replace=False))
        pairs.add((a, b))
    counts = np.exp(rng.uniform(np.log(200), np.log(100_000), len(pairs))).astype(int)
    scenes = [replace(scene, frames_a_burst=50 if rng.random() < 0.3 else 0) for _ in pairs]
    return BareFabric(tuple(clocks), tuple(sorted(pairs)), tuple(counts.tolist()), tuple(scenes), seed)  # type: ignore[arg-type]
