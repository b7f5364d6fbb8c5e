"""The arrows of the architecture, read from the imports themselves."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import PROJECT

PACKAGE = PROJECT / "evpn_pcap"
MODULES = sorted(PACKAGE.rglob("*.py"))
SHARED = {"columns", "table", "model", "errors", "addresses", "moments", "order", "points"}
STAGES = {
    *("aftermaths", "aligned", "clocks", "decode", "events", "floodcosts", "flows", "hostclocks", "resolutions"),
    *("routes", "sightings", "sources", "streams", "summary", "tshark", "vantage"),
}
MAY_IMPORT = {
    "__init__": {"model", "pipeline"},
    "addresses": set(),
    "align": {"aligned", "clocks", "sources", "__init__"} | SHARED,
    "cli": {
        "moments",
        "align",
        "pipeline",
        "reading",
        "report",
        "plots",
        "scale",
        "model",
        "table",
        "errors",
        "__init__",
    },
    "columns": {"table"},
    "table": {"errors"},
    "errors": set(),
    "model": {"table"},
    "moments": {"errors"},
    "order": {"model"},
    "points": {"addresses"},
    "pipeline": STAGES | SHARED | {"reading", "rules"},
    "reading": {"sources", "decode", "streams", "tshark"} | SHARED,
    "report": SHARED | {"__init__"},
    "plots": SHARED,
    "rules": SHARED,
    "scale": {"errors"},
    "synth": {"model"},
} | dict.fromkeys(STAGES, SHARED)
HOMES = {  # library -> pattern of the files that may import it
    "typer": "cli/",
    "click": "cli/",
    "rich": "cli/|report/text",
    "pyshark": "tshark",
    "matplotlib": "plots/",
    "distributed": "scale",
    "dask": "scale",
    "jinja2": "report/html",
    "junitparser": "report/junit",
    "zstandard": "sources/",
    "pyarrow": "cli/write",
    "threadpoolctl": "clocks",
}


@cache
def tree(module):
    """Return a module's syntax tree."""
    return ast.parse(module.read_text(encoding="utf-8"))


def part_of(module):
    """Return the part of the house that a module file belongs to: its folder, or its own subject."""
    first = module.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "tshark" if first.startswith("tshark_") else first


def imported(module):
    """Return every module name that a file imports, wherever in the file, as dotted text."""
    names = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {
                f"{node.module}.{alias.name}" if node.module == "evpn_pcap" else node.module for alias in node.names
            }
    return names


def own_parts(module):
    """Return the parts of the package that a file imports."""
    dotted = [one.split(".") for one in imported(module) if one.split(".")[0] == "evpn_pcap"]
    tops = {words[1] if len(words) > 1 else "__init__" for words in dotted}
    known = {path.name.removesuffix(".py") for path in PACKAGE.iterdir()}
    return {"tshark" if top.startswith("tshark_") else top if top in known else "__init__" for top in tops}


def name(module):
    return str(module.relative_to(PACKAGE))


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_arrows(module):
    """A module imports only what the architecture lets its part import, and its own siblings."""
    part = part_of(module)

    assert own_parts(module) - {part} <= MAY_IMPORT[part]


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_third_party_libraries_have_one_home(library, home):
    """Each third-party surface is imported in one place only."""
    users = {name(module) for module in MODULES if library in {one.split(".")[0] for one in imported(module)}}

    assert [user for user in users if not re.match(home, user)] == []


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_modules_stay_small(module):
    """No module passes 400 lines."""
    assert len(module.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_modules_say_what_they_do(module):
    """Every module begins with a docstring."""
    assert ast.get_docstring(tree(module))


def test_no_module_without_a_subject():
    """No module is called utils, helpers, common or misc."""
    assert {module.stem for module in MODULES} & {"utils", "helpers", "common", "misc", "util", "helper"} == set()


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_membership_is_not_asked_of_a_series(module):
    """`x in frame["column"]` asks the index, not the values; nobody writes it on a table."""
    asked = [
        node
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops)
    ]
    tables = {"frame", "events", "packets", "routes", "resolutions", "updates", "anchors", "points", "rows", "tables"}

    assert [ast.unparse(node) for node in asked if any(_is_column_of(one, tables) for one in node.comparators)] == []


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_merges_state_their_belief(module):
    """Every merge of tables names how and validate, and its keys."""
    calls = [node for node in ast.walk(tree(module)) if isinstance(node, ast.Call)]
    merges = [node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "merge"]
    stated = [{keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords} for node in merges]

    assert [names for names in stated if "validate" not in names and names.get("how") != "'cross'"] == []
    assert [names for names in stated if "how" not in names] == []


def test_no_time_is_a_float():
    """No column whose name ends in _ns is declared as a float."""
    from evpn_pcap.columns import TABLES

    wrong = [
        (table.name, one.name)
        for table in TABLES
        for one in table.columns
        if one.name.endswith("_ns") and one.kind.dtype.startswith("float")
    ]

    assert wrong == []


def test_every_part_is_known():
    """The list of arrows covers every module."""
    assert {part_of(module) for module in MODULES} - MAY_IMPORT.keys() == set()


def _is_column_of(node, tables):
    """Return whether an expression is TABLE["column"] of a name that tables go by."""
    is_text = (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    )
    root = ast.unparse(node.value).split(".")[-1] if is_text else ""
    return root in tables


def test_paths_are_real():
    """The package folder that these tests read is the one that is imported."""
    import evpn_pcap

    assert Path(evpn_pcap.__file__).parent == PACKAGE
