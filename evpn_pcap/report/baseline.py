"""An earlier analysis.json and an analysis -> what is new: findings that it did not have, verdicts that changed."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evpn_pcap.addresses import mac_text
from evpn_pcap.errors import OptionError
from evpn_pcap.model import Analysis

QUESTION = ("kind", "protocol", "vni", "requester", "target_ip")  # what makes two rows the same question


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an earlier run found: fingerprints of findings, and the outcomes that each question had."""

    fingerprints: frozenset[str]
    outcomes: dict[tuple[Any, ...], frozenset[str]]


def read_baseline(path: Path) -> Baseline:
    """Return what `analyze --format json` or `report` wrote. Raises OptionError where the file holds no such thing."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"--baseline {path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise OptionError(f"--baseline {path}: is not JSON: {error}") from error
    try:
        outcomes: dict[tuple[Any, ...], frozenset[str]] = {}
        for row in stored["resolutions"]:
            asked = tuple(row[name] for name in QUESTION if name != "requester")
            key = (*asked, row["requester_ip"] or row["requester_mac"])
            outcomes[key] = outcomes.get(key, frozenset()) | {row["outcome"]}
        return Baseline(frozenset(one["fingerprint"] for one in stored["findings"]), outcomes)
    except (KeyError, TypeError) as error:
        raise OptionError(
            f"--baseline {path}: is no analysis.json of evpn-pcap: {error} is missing or wrong"
        ) from error


def new_only(analysis: Analysis, baseline: Baseline) -> Analysis:
    """Return the analysis with the findings only that the baseline has not: what gates count."""
    new = tuple(one for one in analysis.findings if one.fingerprint not in baseline.fingerprints)
    return replace(analysis, findings=new)


def gone_count(analysis: Analysis, baseline: Baseline) -> int:
    """Return how many findings of the baseline are no more."""
    return len(baseline.fingerprints - {one.fingerprint for one in analysis.findings})


def changed_ids(analysis: Analysis, baseline: Baseline) -> list[int]:
    """Return the resolutions whose question the baseline knows, but never with this outcome."""
    rows = analysis.tables.resolutions
    macs = rows["requester_mac"].map(mac_text, na_action="ignore").astype("str")
    cells = rows.assign(requester=rows["requester_ip"].fillna(macs))
    names = ["id", "outcome", *(name for name in QUESTION if name != "requester"), "requester"]
    plain = cells[names].astype(object).where(cells[names].notna(), None)
    return [
        number
        for number, outcome, *key in plain.itertuples(index=False, name=None)
        if outcome not in baseline.outcomes.get(tuple(key), {outcome})
    ]


def compared(analysis: Analysis, baseline: Baseline) -> str:
    """Return the comparison in one line."""
    new = len(new_only(analysis, baseline).findings)
    changed = changed_ids(analysis, baseline)
    rows = f" ({', '.join(map(str, changed))})" if changed else ""
    known = len(analysis.findings) - new
    gone = gone_count(analysis, baseline)
    found = f"{new} new findings, {known} known, {gone} gone"
    return f"against the baseline: {found}; {len(changed)} changed verdicts{rows}"
