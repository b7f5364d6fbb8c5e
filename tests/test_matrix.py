"""Which rule fires on which sample: each in its own, and in no other that is not explained here.

`pytest tests/test_matrix.py -s` prints the matrix.
"""

from collections import Counter
from dataclasses import fields, replace

import pytest

from evpn_pcap.columns import FOUND
from evpn_pcap.model import Tables
from evpn_pcap.rules import load_rules
from tests.test_samples import NAMES, analysis_of
from tests.test_truth import SCENARIOS, SKEWED
from tests.test_truth import analysis_of as analysis_of_capture

RULES = load_rules()
# What fires beside the sample that goes by a rule's name, and why that is right.
EXPLAINED = {
    ("arp-flooded", "no-svi-address"): "the lab's own picture of that diagnosis",
    ("learned-then-suppressed", "gateway-primed"): "the lab's own picture of that diagnosis",
    ("suppression-off", "suppression-not-working"): "the lab's own picture of that diagnosis",
    ("lab-probes", "dad-blind"): "the lab's own picture of that diagnosis",
    ("lab-unknown-unicast", "unknown-unicast"): "the lab's own picture of that diagnosis",
    (
        "sequence-regress",
        "sequence-not-incremented",
    ): "the diagnosis sees the damage, the check the rule that was broken",
}
CAPTURES = {
    "arp-flooded": {"no-svi-address"},  # the lab has no gateway there
    "arp-learned-then-suppressed": {"gateway-primed"},  # flooded until each VM has asked the gateway
    "nd-linklocal-suppressed": set(),  # healthy
    "suppression-off": {"suppression-not-working"},  # neigh_suppress off for seconds
    SKEWED: {"gateway-primed"},
}


def fired(told):
    """Return how often each rule fired in an analysis."""
    return Counter(finding.name for finding in told.findings)


def test_each_rule_fires_in_its_own_sample_and_in_no_other(capsys):
    """A finding is in the sample of its name, or in the table of explanations; and every explanation is needed."""
    found = {name: fired(analysis_of(name)) for name in NAMES}

    with capsys.disabled():
        print("\n" + _matrix(found))
    cells = {(name, rule) for name, rules in found.items() for rule in rules}
    own = {(rule.name, rule.name) for rule in RULES}
    assert own - cells == set(), "rules that do not fire in their own sample"
    assert cells - own == EXPLAINED.keys()


def _matrix(found):
    """Return one line a sample: the code of each rule that fired there, with * on the diagonal."""
    codes = {rule.name: rule.code for rule in RULES}
    lines = [
        f"{name:<32}"
        + "  ".join(f"{codes[rule]}{'*' * (rule == name)} x{count}" for rule, count in sorted(rules.items()))
        for name, rules in found.items()
    ]
    return "\n".join(lines)


@pytest.mark.corpus
@pytest.mark.parametrize("name", [*SCENARIOS, SKEWED])
def test_rules_keep_silent_on_the_real_fabric(name):
    """On the shared captures of a real fabric the rules say what is wrong there, and nothing else."""
    assert fired(analysis_of_capture(name)).keys() == CAPTURES[name]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rules_do_without_any_table(rule):
    """Captures may show nothing of a kind: a rule finds less then, in whole FOUND tables, and never fails."""
    tables = analysis_of("duplicate-ip").tables
    empty = {field.name: getattr(tables, field.name).iloc[:0] for field in fields(Tables)}
    partial = [replace(tables, **{name: table}) for name, table in empty.items()]

    found = [rule.find(one) for one in (*partial, Tables(**empty))]

    assert {tuple(one.columns) for one in found} == {tuple(column.name for column in FOUND.columns)}
    assert found[-1].empty


def test_rules_alter_nothing():
    """The tables are the same after all rules as before."""
    tables = analysis_of("duplicate-ip").tables
    before = {field.name: getattr(tables, field.name).copy(deep=True) for field in fields(Tables)}

    for rule in RULES:
        rule.find(tables)

    assert [name for name, table in before.items() if not table.equals(getattr(tables, name))] == []


def test_codes_and_names_are_one_to_one():
    """A code stands for one rule, diagnoses below EVP100 without a gap, and every rule has all its words."""
    codes = [rule.code for rule in RULES]

    assert len(set(codes)) == len({rule.name for rule in RULES}) == len(RULES)
    assert [code for code in codes if code < "EVP100"] == [f"EVP{number:03}" for number in range(1, 28)]
    assert all(rule.title and rule.cause and rule.advice and rule.rivals and rule.would_decide for rule in RULES)
