"""`python -m samples.lab SCENARIO[@FABRIC][+WAY] ... --out DIR`: run, capture, witness, analyze, print the scoreboard.

Each run gets a folder with its captures, truth.json and evidence/. Exits with 1 when anything is wrong.
"""

import argparse
import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

from samples.lab import usermode
from samples.lab.board import skewed
from samples.lab.capturing import WAYS, Recorder
from samples.lab.fabric import FABRICS
from samples.lab.namespaces import CommandError
from samples.lab.routing import FabricDownError
from samples.lab.scenarios import SCENARIOS
from samples.lab.score import HEADER, Score, score
from samples.lab.story import Scenario
from samples.lab.truth import make_truth
from samples.lab.witness import Witnesses
from samples.lab.world import World

LONG_S = 120


def run(scenario: Scenario, fabric: str, folder: Path, *, log: bool = False) -> dict:
    """Drive a scenario on a fabric of this name; captures, evidence and truth.json go into the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    world = World(FABRICS[fabric], folder, log=log)
    witnesses, recorder = Witnesses(world, scenario.seconds), Recorder(folder, WAYS[scenario.capture])
    world.on_event += [witnesses, recorder]  # closed in reverse order: no capture outlives the witnesses
    with world:
        scenario.drive(world)
    truth = make_truth(world, witnesses, scenario, recorder.drops, time.time_ns())
    (folder / "truth.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
    return truth


def main() -> None:
    """Run scenarios in a real fabric and print the scoreboard."""
    asked = _arguments()
    chosen = [_chosen(word) for word in asked.scenarios or _default()]
    if not asked.drive:
        print(HEADER, flush=True)
    scores: list[Score] = []
    for scenario, fabric, name in chosen:
        folder = asked.out / name
        _drive(scenario, fabric, folder, name, asked)
        if asked.drive:
            continue
        one = score(folder)
        scores.append(one)
        _print(one)
        if asked.skew:
            other = score(skewed(folder), folder)
            other.compare(one)
            scores.append(other)
            _print(other)
    total = sum(one.rows for one in scores)
    if asked.drive:
        return
    print(f"{len(scores)} runs, {total} resolutions, {sum(one.is_bad for one in scores)} runs with something wrong")
    sys.exit(any(one.is_bad for one in scores))


def _drive(scenario: Scenario, fabric: str, folder: Path, name: str, asked: argparse.Namespace) -> None:
    """Run a scenario here, or in a kernel that can where this one cannot."""
    reason = usermode.missing(FABRICS[fabric])
    if not reason:
        run(scenario, fabric, folder, log=asked.log)
        return
    print(f"{fabric}: this kernel says {reason!r}; in user-mode Linux", file=sys.stderr)
    log = ["--log"] if asked.log else []
    status = usermode.run("-m", "samples.lab", name, "--out", str(asked.out.resolve()), "--drive", *log)
    if status:
        sys.exit(status)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m samples.lab", description=main.__doc__)
    parser.add_argument(
        "scenarios", nargs="*", metavar="SCENARIO[@FABRIC][+WAY]", help="which; default: each that is not long, once"
    )
    parser.add_argument("--out", type=Path, default=Path("out/lab"), help="folder for the runs' folders")
    parser.add_argument("--skew", action="store_true", help="analyze each run a second time, with clock errors")
    parser.add_argument("--drive", action="store_true", help="drive, capture and witness only; analyze nothing")
    parser.add_argument("--log", action="store_true", help="tell every deed")
    parser.add_argument("--list", action="store_true", help="tell which scenarios, fabrics and ways there are")
    asked = parser.parse_args()
    if asked.list:
        for title, known in (("scenarios", SCENARIOS), ("fabrics", FABRICS), ("ways", WAYS)):
            print(f"{title}:", *(f"  {name:24} {_about(one)}" for name, one in known.items()), sep="\n")
        sys.exit()
    return asked


def _about(one: object) -> str:
    return str(getattr(one, "story", None) or getattr(one, "about", ""))


def _default() -> list[str]:
    """Return every scenario but those that take minutes."""
    return [name for name, scenario in SCENARIOS.items() if scenario.seconds < LONG_S]


def _chosen(word: str) -> tuple[Scenario, str, str]:
    """Return scenario, fabric and the run's name. Exits with a sentence where one is not known."""
    rest, _, way = word.partition("+")
    name, _, fabric = rest.partition("@")
    if name not in SCENARIOS:
        sys.exit(f"no scenario {name!r}; there are: {', '.join(SCENARIOS)}")
    scenario = SCENARIOS[name]
    fabric = fabric or scenario.fabrics[0]
    if fabric not in FABRICS:
        sys.exit(f"no fabric {fabric!r}; there are: {', '.join(FABRICS)}")
    if way and way not in WAYS:
        sys.exit(f"no way of capturing {way!r}; there are: {', '.join(WAYS)}")
    if way and WAYS[way].is_late and not WAYS[scenario.capture].is_late:
        sys.exit(f"{way} captures begin when the story says so, and {name} does not; late-captures does")
    told = f"{name}@{fabric}+{way}" if way else f"{name}@{fabric}"
    return replace(scenario, capture=way or scenario.capture), fabric, told


def _print(one: Score) -> None:
    print(one.line(), *(f"    {line}" for line in one.complaints()), sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main()
    except (CommandError, FabricDownError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
