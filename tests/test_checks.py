"""The conformance checks: what the RFCs ask of a fabric is watched over, and held against none without proof."""

import re
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest

import evpn_pcap
from evpn_pcap import columns, rules
from evpn_pcap.model import Tables

SAMPLES = Path(__file__).parent.parent / "samples"
FIRST_CHECK, FIRST_OTHER = "EVP101", "EVP150"
# What an EVPN fabric owes (RFCs), and the rules that watch over it: checks, or diagnoses that say the same.
SERVED = {
    "an answer equals an active binding (9161, 7432)": ["answer-not-binding", "wrong-mac-answered"],
    "a known broadcast or multicast request is answered, not flooded (9161)": ["suppression-not-working"],
    "probes and DAD solicitations are answered, or forwarded (9161)": ["dad-blind", "probe-not-forwarded"],
    "unicast requests are forwarded, not answered (9161)": ["unicast-answered", "double-reply"],
    "announcements are learned and forwarded (9161)": ["announcement-ignored", "announcement-not-forwarded"],
    "R and O flags are preserved (9161, 9047)": ["router-flag-lost", "override-flag-set"],
    "discovery messages are valid (4861)": ["nd-message-invalid"],
    "immutable bindings stay (9047)": ["immutable-binding-changed"],
    "an address that moves N times in M seconds is stopped (9161, 7432)": ["moves-not-stopped", "dad-freeze"],
    "the mobility sequence goes up and never down (7432, 9721)": ["sequence-not-incremented", "sequence-lowered"],
    "sticky MACs stay (7432)": ["sticky-moved"],
    "a VNI is a label of 24 bits (8365)": ["vni-label-not-raw"],
    "routes say that they are VXLAN (8365)": ["encapsulation-missing"],
    "the next hop is the VTEP of the data (8365)": ["next-hop-not-vtep"],
    "a type 3 route with its tunnel comes before flooded frames (7432)": [
        "pmsi-tunnel-missing",
        "flooded-before-type3",
    ],
    "the second label, the router's MAC and the VRF's target come together (9135)": ["routed-route-incomplete"],
    "... and only with an address (9135)": ["conflicting-rmac"],
    "the gateway's MAC is the same everywhere (7432)": ["gateway-mac-differs"],
    "probes and announcements take their time (5227)": ["probed-in-haste"],
    "the VXLAN header has its flag (7348)": ["vxlan-flag-missing"],
    "... and nothing in its reserved bits (7348)": ["vxlan-reserved-bits"],
    "... and goes to one port (7348)": ["vxlan-port-differs"],
    "route targets can be imported (7432)": ["route-target-not-imported"],
    "a table without End-of-RIB is not whole (4724)": ["end-of-rib-missing"],
}
RULES = {rule.name: rule for rule in rules.load_rules()}
CHECKS = sorted(name for name, rule in RULES.items() if FIRST_CHECK <= rule.code < FIRST_OTHER)


def references(name):
    """Return the last section of a rule's docstring."""
    text = Path(rules.__file__).with_name(name.replace("-", "_") + ".py").read_text(encoding="utf-8")
    return text.partition('"""')[2].partition('"""')[0].partition("References\n")[2]


def names_found(paths):
    return {finding.name for finding in evpn_pcap.analyze(paths).findings}


@pytest.mark.parametrize("duty", SERVED)
def test_every_duty_is_watched_over(duty):
    """Each rule named for a duty exists, and one of them names one of its RFCs."""
    rfcs = set(re.findall(r"\b\d{4}\b", duty.partition("(")[2]))
    named = {one for name in SERVED[duty] for one in re.findall(r"RFC (\d{4})", references(name))}

    assert set(SERVED[duty]) <= RULES.keys()
    assert named & rfcs


def test_every_check_serves_a_duty():
    """No check is about anything else than the duties above."""
    assert set(CHECKS) - {name for names in SERVED.values() for name in names} == set()


def test_codes_are_never_used_twice():
    """A code stands for one rule."""
    codes = [rule.code for rule in RULES.values()]

    assert len(set(codes)) == len(codes)


def test_nothing_is_found_where_nothing_was_captured():
    """Every rule finds nothing in empty tables."""
    empty = {table.name.lower(): table.empty() for table in columns.TABLES}
    times = pd.DataFrame({"time_ns": [], "margin_ns": []}, dtype="int64")
    timed = {name: empty[name].join(times) for name in TIMED}
    tables = Tables(**{one.name: (empty | timed)[one.name] for one in fields(Tables)})

    assert [name for name, rule in RULES.items() if len(rule.find(tables))] == []


TIMED = ("packets", "anchors", "updates", "snapshots")  # get times on the common clock after decoding


@pytest.mark.parametrize("name", CHECKS)
def test_leaving_captures_out_adds_no_finding(name):
    """What captures do not show is not held against the network: one hypervisor alone shows no more than all hosts."""
    assert names_found(sorted((SAMPLES / name).glob("pve1*.pcap"))) <= {name}


@pytest.mark.corpus
@pytest.mark.parametrize("host", ["*", "pve1*", "vm1*"])
def test_no_check_fires_on_a_real_fabric(captures_folder, host):
    """Captures of FRR and Linux, all or one host's alone, break none of the rules that are checked."""
    found = names_found(sorted((captures_folder / "arp-learned-then-suppressed").glob(f"{host}.pcap")))

    assert found & set(CHECKS) == set()
