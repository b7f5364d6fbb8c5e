"""The JSON that leaves the program is what its JSON Schemas say."""

import json
from dataclasses import replace

import jsonschema
import pytest

from evpn_pcap.report import ANSWERS, renderer
from evpn_pcap.report.table import as_json
from evpn_pcap.report.values import table_named, written
from tests.by_hand import analysis, finding, routes
from tests.conftest import PROJECT

FOLDER = PROJECT / "evpn_pcap" / "schema"


def schema(name):
    """Return a validator of one schema."""
    told = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(told)


@pytest.mark.parametrize("name", ["analysis", "routes"])
def test_schemas_are_schemas(name):
    """The schemas themselves are valid JSON Schema, draft 2020-12."""
    jsonschema.Draft202012Validator.check_schema(schema(name).schema)


def test_analysis_is_valid():
    """The JSON of an analysis is what the schema says, failures and missing figures included."""
    told = analysis(failures=(("bad.pcap", "not a capture"),), findings=(finding(vni=None, resolution_ids=()),))

    schema("analysis").validate(json.loads(renderer(ANSWERS["json"])(told)))


def test_routes_are_valid():
    """The JSON of routes is what the schema says: null for what a route has not, and while in force."""
    told = json.loads(as_json("routes", written(table_named("routes"), routes(), {0: "a.pcap"})))

    schema("routes").validate(told)
    assert [row["withdrawn_ns"] is None for row in told["routes"]] == [True, True, False, True, True]


@pytest.mark.parametrize("part", ["captures", "clocks", "resolutions", "flood_costs", "findings", "failures"])
def test_schema_names_every_key(part):
    """No key is written that the schema does not declare."""
    told = json.loads(renderer(ANSWERS["json"])(analysis(failures=(("bad.pcap", "why"),))))
    declared = schema("analysis").schema["properties"][part]["items"]["properties"].keys()

    assert {key for row in told[part] for key in row} == declared


@pytest.mark.parametrize(
    "wrong", [{"outcome": "lost"}, {"time": "2026-11-22"}, {"requester_mac": "x"}, {"vni": 2**24}, {"frames": ["x"]}]
)
def test_schema_refuses_other_words(wrong):
    """The schema is not so wide that it would let anything pass."""
    told = json.loads(renderer(ANSWERS["json"])(analysis()))
    told["resolutions"][0] |= wrong

    assert not schema("analysis").is_valid(told)


def test_undecided_needs_a_reason():
    """An undecided row without its reason is refused."""
    told = json.loads(renderer(ANSWERS["json"])(analysis()))
    told["resolutions"][4]["undecided_reason"] = None

    assert not schema("analysis").is_valid(told)


def test_no_finding_leaves_an_empty_list():
    """What there is none of is an empty list, never a missing key."""
    told = json.loads(renderer(ANSWERS["json"])(replace(analysis(), findings=(), failures=())))

    assert (told["findings"], told["failures"]) == ([], [])
