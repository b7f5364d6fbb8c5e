"""Folders of runs become the scoreboard of README.md: every run judged anew, without and with clock errors, in one go.

`python -m samples.lab.board out/lab --readme samples/lab/README.md` gives each run that has none its `-skewed` folder,
scores both, prints what is not right, and writes the tables between the two marks of that file.
"""

import argparse
import json
import shutil
import sys
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from evpn_pcap.rules import load_rules
from samples.lab.scenarios import SCENARIOS
from samples.lab.score import COLUMNS, Score, score
from samples.lab.skew import captures_in, host_of, random_clocks, skew_folder

BEGIN, END = "<!-- scoreboard -->", "<!-- end of scoreboard -->"
SKEWED = "-skewed"
SEED = 7  # of the clock errors: the same in every run
Pair = tuple[Score, Score]  # a run with true clocks, and with clock errors


def skewed(folder: Path) -> Path:
    """Write a run's captures a second time, with clock errors, and return the folder."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    target = folder.with_name(f"{folder.name}{SKEWED}")
    shutil.rmtree(target, ignore_errors=True)
    begin_ns, end_ns = (round(truth[name] * 1_000_000) * 1000 for name in ("lab_start", "lab_end"))
    hosts = sorted({host_of(path) for path in captures_in(folder)})
    skew_folder(folder, target, random_clocks(hosts, SEED, begin_ns, end_ns))
    return target


def judge(folder: Path) -> Pair:
    """Return a run's score with true clocks and with clock errors, these compared with those."""
    errors = folder.with_name(f"{folder.name}{SKEWED}")
    one, other = score(folder), score(errors if errors.exists() else skewed(folder), folder)
    other.compare(one)
    return one, other


def table(pairs: list[Pair]) -> str:
    """Return the scoreboard: a line for each run, and one for all."""
    names = ("run", "resolutions", *COLUMNS, "others right, wrong, undecided, surplus", "witnesses disagree")
    lines = [_line((*names, "with clock errors", "found"))]
    lines.append(f"|{'---|' * (len(names) + 2)}")
    for one, errors in pairs:
        found = ", ".join(f"{name} {count}" for name, count in sorted(one.findings.items())) or "-"
        others = ", ".join(str(one.others[name]) for name in ("right", "wrong", "undecided", "surplus"))
        cells = (one.run, one.rows, *(one.counts[name] for name in COLUMNS), others, len(one.disagreements))
        lines.append(_line((*cells, _with_errors(one, errors), found)))
    own = [one for one, _ in pairs]
    others = ", ".join(str(sum(one.others[name] for one in own)) for name in ("right", "wrong", "undecided", "surplus"))
    sums = (*(sum(one.counts[name] for one in own) for name in COLUMNS), others)
    disagreements = sum(len(one.disagreements) for one in own)
    lines.append(
        _line((f"all {len(own)}", sum(one.rows for one in own), *sums, disagreements, _errors_of_all(pairs), ""))
    )
    return "\n".join(lines) + "\n"


def diagnoses(pairs: list[Pair]) -> str:
    """Return a table of the rules: where made for and found, where found besides; and the rules that no story shows."""
    made, besides = defaultdict(list), defaultdict(list)
    for scenario in SCENARIOS.values():
        for name in scenario.made_for:
            made[name].append(scenario.name)
        for name in scenario.also_shows:
            besides[name].append(scenario.name)
    lines = [_line(("diagnosis", "made for it", "found there", "also true in", "found elsewhere")), f"|{'---|' * 5}"]
    whole = [one for one, _ in pairs if one.is_whole]
    unseen = []
    for rule in load_rules():
        meant = [one for one in whole if rule.name in one.made_for]
        found = sum(rule.name in one.findings for one in meant)
        wrong = [one.run for pair in pairs for one in pair if rule.name in one.unexpected]
        if rule.name not in made and rule.name not in besides and not wrong:
            unseen.append(f"{rule.name} ({rule.code})")
            continue
        told = (
            ", ".join(made[rule.name]) or "-",
            f"{found} of {len(meant)} runs",
            ", ".join(besides[rule.name]) or "-",
        )
        lines.append(_line((f"{rule.name} ({rule.code})", *told, ", ".join(wrong) or "nowhere")))
    return "\n".join(lines) + f"\n\nRules without a scenario: {', '.join(unseen) or 'none'}.\n"


def _with_errors(one: Score, errors: Score) -> str:
    """Return what clock errors changed: nothing; weaker claims, other ones; rows too many, or joined to none."""
    pairs = zip(one.claims, errors.claims, strict=True)
    weaker = sum(before != after for before, after in pairs) - len(errors.changed)
    said = [(len(errors.changed), "other"), (weaker, "weaker")]
    said += [(errors.counts[name] - one.counts[name], name) for name in ("surplus", "unjoined")]
    said += [(errors.others[name] - one.others[name], f"others {name}") for name in ("wrong", "surplus")]
    differs = {*errors.findings} ^ {*one.findings}
    told = [f"{count} {name}" for count, name in said if count > 0]
    told += [f"{'also' if name in errors.findings else 'not'} {name}" for name in sorted(differs)]
    return ", ".join(told) or "the same"


def _errors_of_all(pairs: list[Pair]) -> str:
    told = [_with_errors(*pair) for pair in pairs]
    return f"{told.count('the same')} of {len(told)} the same"


def _line(cells: tuple) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def write(readme: Path, text: str) -> None:
    """Put a text between the two marks of a file. Raises ValueError where they are missing."""
    before, _, rest = readme.read_text(encoding="utf-8").partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme} has no {BEGIN} with an {END} after it")
    readme.write_text(f"{before}{BEGIN}\n{text}{END}{after}", encoding="utf-8")


def main() -> None:
    """Judge every run of a folder, tell what is not right of it, and print the tables; exits with 1 if anything is."""
    parser = argparse.ArgumentParser(prog="python -m samples.lab.board", description=main.__doc__)
    parser.add_argument("folder", type=Path, help="folder of the runs' folders")
    parser.add_argument("--readme", type=Path, help="write the tables there, between the two marks")
    asked = parser.parse_args()
    runs = sorted(path.parent for path in asked.folder.glob("*/truth.json"))
    order = list(SCENARIOS)
    runs.sort(key=lambda run: ("+" in run.name, run.name.partition("@")[2] != "proxmox", run.name))
    runs = [run for run in runs if run.name.partition("@")[0] in order]
    pairs: list[Pair] = []
    with ProcessPoolExecutor(max_workers=2) as pool:
        for pair in pool.map(judge, runs):
            pairs.append(pair)
            for one in pair:
                print(one.line(), *(f"    {line}" for line in one.complaints()), sep="\n", file=sys.stderr, flush=True)
    text = f"{table(pairs)}\n{diagnoses(pairs)}"
    print(text)
    if asked.readme:
        write(asked.readme, text)
    sys.exit(any(one.is_bad for pair in pairs for one in pair))


if __name__ == "__main__":
    main()
