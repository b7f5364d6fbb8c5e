"""The real fabric: what the program claims, against what independent witnesses saw (captures/*/truth.json)."""

import itertools
import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap import pipeline
from evpn_pcap.addresses import mac_number
from evpn_pcap.model import Analysis, Options
from tests.conftest import SHARED

pytestmark = pytest.mark.corpus

SCENARIOS = ("arp-flooded", "arp-learned-then-suppressed", "nd-linklocal-suppressed", "suppression-off")
SKEWED = "arp-learned-then-suppressed-skewed"
OUTCOME_OF_PATH = {"suppressed": "suppressed", "flooded": "flooded", "gateway": "learned", "local": "suppressed"}
NEAR_NS = 50_000_000


@cache
def truth_of(name: str) -> tuple[list[dict], set[int]]:
    """Return the true resolutions of a scenario in our words, and the MACs of its VMs."""
    truth = json.loads((SHARED / "captures" / name.removesuffix("-skewed") / "truth.json").read_text())
    rows = [
        {
            "protocol": row["protocol"],
            "requester_mac": mac_number(row["requester_mac"]),
            "target_ip": row["target"],
            "true_ns": round(row["t"] * 1e6) * 1000,
            "outcome": OUTCOME_OF_PATH[row["path"]],
            "answered_by": answerer(row["answered_by"]),
        }
        for row in truth["resolutions"]
    ]
    return rows, {mac_number(vm["mac"]) for vm in truth["vms"].values()}


@cache
def others_of(name: str) -> list[dict]:
    """Return the true probes, unicast refreshes and requests of the VTEPs themselves, and whether they crossed."""
    truth = json.loads((SHARED / "captures" / name.removesuffix("-skewed") / "truth.json").read_text())
    told = [
        *(("probe", "nd", one["address"], one["t"], one["crossed_fabric"]) for one in truth["announcements"]),
        *(
            ("refresh", one["protocol"], one["target"], one["t"], bool(one["underlay_copies"]))
            for one in truth["unicast_probes"]
        ),
        *(("refresh", "arp", one["target"], one["t"], one["crossed_fabric"]) for one in truth["svi_requests"]),
    ]
    keys = ("kind", "protocol", "target_ip")
    return [
        dict(zip(keys, row[:3], strict=True)) | {"true_ns": round(row[3] * 1e6) * 1000, "crossed": row[4]}
        for row in told
    ]


def answerer(word: str | None) -> str:
    """Return the truth's words for who answered in ours: pve1:proxy, pve1:EVPN1, vm2 or nobody."""
    if not word:
        return "none"
    return "proxy" if word.endswith(":proxy") else "gateway" if ":" in word else "target"


@cache
def skew() -> dict:
    return json.loads((SHARED / "captures" / SKEWED / "skew.json").read_text())


def stamp_ns(host: str, true_ns: int) -> int:
    """Return what a host's skewed clock shows at a true time, in integers (skew.json states the formula)."""
    facts = skew()
    clock = facts["hosts"][host]
    elapsed_ns = true_ns - round(facts["t0"] * 1e6) * 1000
    return true_ns + round(clock["offset_s"] * 1e9) + round(clock["drift_ppm"] * 1e-6 * elapsed_ns)


@cache
def analysis_of(name: str) -> Analysis:
    return evpn_pcap.analyze([SHARED / "captures" / name])


def vm_rows(table: pd.DataFrame, macs: set[int]) -> list[dict]:
    """Return the rows that the truth lists: resolutions that VMs asked for."""
    return table[(table["kind"] == "resolution") & table["requester_mac"].isin(macs)].to_dict("records")


def matches(row: dict, true_row: dict, clock: str | None) -> bool:
    """Return whether a row is this true resolution; `clock` is the host whose clock the row's time is on, if skewed."""
    same = all(row[key] == true_row[key] for key in ("protocol", "requester_mac", "target_ip"))
    return same and is_near(row, true_row, clock)


def is_near(row: dict, true_row: dict, clock: str | None) -> bool:
    expected_ns = true_row["true_ns"] if clock is None else stamp_ns(clock, true_row["true_ns"])
    return abs(row["time_ns"] - expected_ns) < NEAR_NS


@pytest.mark.parametrize("name", [*SCENARIOS, SKEWED])
def test_every_resolution_is_found_and_right(name):
    """Each true resolution is matched by one row, outcome and answerer right; none is missing, surplus or undecided."""
    true_rows, macs = truth_of(name)
    analysis = analysis_of(name)
    clock = analysis.clocks[0].reference if name == SKEWED else None
    rows = vm_rows(analysis.tables.resolutions, macs)

    found = [[row for row in rows if matches(row, true_row, clock)] for true_row in true_rows]

    assert [len(matching) for matching in found] == [1] * len(true_rows)
    assert len(rows) == len(true_rows)
    claims = [(matching[0]["outcome"], matching[0]["answered_by"]) for matching in found]
    assert claims == [(true_row["outcome"], true_row["answered_by"]) for true_row in true_rows]


@pytest.mark.parametrize("name", [*SCENARIOS, SKEWED])
def test_true_clock_differences_lie_inside_the_margins(name):
    """At every second of every capture, each true clock difference is inside offset plus or minus margin."""
    analysis = analysis_of(name)
    reference = analysis.clocks[0].reference
    captures = {capture.host: capture for capture in analysis.captures}
    times = pd.DataFrame(
        [
            {"host": host, "true_ns": true_ns}
            for host, capture in captures.items()
            for true_ns in range(capture.first_ns, capture.last_ns, 1_000_000_000)
        ]
    )
    if name == SKEWED:
        times["captured_ns"] = [stamp_ns(host, at) for host, at in zip(times["host"], times["true_ns"], strict=True)]
        times["expected_ns"] = [stamp_ns(reference, at) for at in times["true_ns"]]
    else:
        times["captured_ns"] = times["expected_ns"] = times["true_ns"]

    placed = pipeline.on_common_clock(times, analysis.clocks)

    error_ns = (placed["time_ns"] - placed["expected_ns"]).abs()
    assert len(placed) > 90
    assert (error_ns <= placed["margin_ns"] + 2).all()  # 2 ns: skew.json's floats
    assert placed["margin_ns"].median() < 200_000
    assert placed["margin_ns"].max() < 5_000_000  # a slew may begin where a host's frames have ended


def decoded_of(name: str) -> list:
    return list(pipeline.read_captures([SHARED / "captures" / name], Options())[0])


def subsets_of(names: list[str], pair_step: int | None) -> list[tuple[int, ...]]:
    """Return every single capture, every so many-th pair (None: no pair), every leave-one-out, and each role alone."""
    everything = range(len(names))
    roles: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        host, point = Path(name).stem.split("-", 1)
        roles.setdefault("vm" if host.startswith("vm") else point[:3], []).append(index)
    return [
        *((index,) for index in everything),
        *(list(itertools.combinations(everything, 2))[::pair_step] if pair_step else ()),
        *(tuple(i for i in everything if i != index) for index in everything),
        *(tuple(indexes) for indexes in roles.values()),
    ]


SHARED_BY_FORK: dict[str, list] = {}  # decoded captures, inherited by the worker processes


def judge(name: str, subset: tuple[int, ...]) -> dict:
    """Return how many claims a subset of the captures gives, and those that contradict the truth."""
    true_rows, macs = truth_of(name)
    chosen = [SHARED_BY_FORK[name][index] for index in subset]
    analysis = pipeline.analyze_decoded(chosen, Options())
    rows = vm_rows(analysis.tables.resolutions, macs)
    clocks = list(skew()["hosts"]) if name == SKEWED else [None]
    wrong = []
    for row in rows:
        possible = [true_row for true_row in true_rows if any(matches(row, true_row, clock) for clock in clocks)]
        outcomes = {"undecided", *(true_row["outcome"] for true_row in possible)}
        answerers = {"unknown", *(true_row["answered_by"] for true_row in possible)}
        if not possible or row["outcome"] not in outcomes or row["answered_by"] not in answerers:
            wrong.append(([one.capture.name for one in chosen], row))
    others = analysis.tables.resolutions.query("kind != 'resolution' and outcome != 'undecided'")
    is_told = others["requester_mac"].isin(macs) | (others["kind"] == "refresh")  # not the bridges' own probes
    for row in others[is_told].to_dict("records"):
        crossed = {
            true_row["crossed"]
            for true_row in others_of(name)
            if all(row[key] == true_row[key] for key in ("kind", "protocol", "target_ip"))
            and any(is_near(row, true_row, clock) for clock in clocks)
        }
        if (row["outcome"] == "flooded") not in crossed:
            wrong.append(([one.capture.name for one in chosen], row))
    decided = sum(row["outcome"] != "undecided" for row in rows)
    return {"rows": len(rows), "decided": decided, "wrong": wrong}


@pytest.mark.parametrize("name", [*SCENARIOS, SKEWED])
def test_no_subset_of_the_captures_leads_to_a_wrong_claim(name, capsys, pytestconfig):
    """Whatever captures are missing, a claim may become undecided, but never one that the truth contradicts."""
    decoded = decoded_of(name)
    # With clock errors the pairs say nothing new.
    step = {SKEWED: None}.get(name, 1 if pytestconfig.getoption("--every-pair") else 9)
    subsets = subsets_of([one.capture.name for one in decoded], step)
    SHARED_BY_FORK[name] = decoded
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        judged = list(pool.map(judge, itertools.repeat(name), subsets, chunksize=8))

    rows, decided = (sum(one[key] for one in judged) for key in ("rows", "decided"))
    with capsys.disabled():
        print(f"\n{name}: {len(subsets)} subsets, {rows} resolutions, {decided} decided")
    assert len(subsets) >= (46 if name == SKEWED else 66)
    assert decided > 0
    assert [wrong for one in judged for wrong in one["wrong"]] == []
