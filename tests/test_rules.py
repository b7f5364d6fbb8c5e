"""Rules by themselves: silent on a healthy fabric, content with any table, one code and all words each.

Which rule fires on which sample is in test_samples.
"""

from dataclasses import fields, replace

import pytest

from evpn_pcap.columns import FOUND
from evpn_pcap.model import Tables
from tests.test_samples import RULES, analysis_of, fired
from tests.test_truth import SCENARIOS, SKEWED
from tests.test_truth import analysis_of as analysis_of_capture

CAPTURES = {
    "arp-flooded": {"no-svi-address"},  # the lab has no gateway there
    "arp-learned-then-suppressed": {"gateway-primed"},  # flooded until each VM has asked the gateway
    "nd-linklocal-suppressed": set(),  # healthy
    "suppression-off": {"suppression-not-working"},  # neigh_suppress off for seconds
    SKEWED: {"gateway-primed"},
}


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
