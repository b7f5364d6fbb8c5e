"""Reports say what the tables say, in forms that cannot act on a reader's machine."""

import csv
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evpn_pcap import columns
from evpn_pcap.errors import OptionError
from evpn_pcap.model import Options, Severity
from evpn_pcap.report import ANSWERS, FILES, renderer
from evpn_pcap.report.clocks import FORMATS as CLOCK_FORMATS
from evpn_pcap.report.escape import cell, visible
from evpn_pcap.report.gates import figures, judge, parse_gate
from evpn_pcap.report.routes import as_show
from evpn_pcap.report.scope import in_scope
from evpn_pcap.report.table import FORMATS, as_csv
from evpn_pcap.report.values import records, table_named, time_text, written
from evpn_pcap.summary import summarize
from tests.by_hand import START_NS, analysis, capture, finding, flood_costs, resolution_rows, routes, table, tables

NAMES = {0: "pve1-ens18.pcap"}
HOSTILE = [
    *(
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{7*7}}",
        "${7*7}",
        "]]>",
        "&lt;",
        "'; DROP",
        "../../x",
    ),
    *(
        "=cmd|'/c calc'!A1",
        "+1+1",
        "-2+3",
        "@SUM(1)",
        " =1",
        "\u00a0=1",
        "\n=1",
        "\t=1",
        "\r=1",
        "\u200b=1",
        "\u2003=1",
    ),
    *("\x1b[2J", "\x1b]52;c;AAAA\x07", "\x9b31m", "\u202egnp.exe", "a\x00b", "\x7f", "\u2028", "\udcff", "a" * 5000),
    *("`x` | *y* _z_", "$x^2$", "%s%n", "[red]x[/red]", ":smile:", "\N{GRINNING FACE}"),
]


def hostile_analysis(texts=HOSTILE):
    """Return an analysis in which each text stands wherever a capture or a file name could have put one."""
    stored = [text.encode("utf-8", "replace").decode() for text in texts]  # a table holds no lone surrogate
    captures = tuple(
        capture(capture_id=n, name=one, host=one, point=one, skipped={one: 1}) for n, one in enumerate(texts)
    )
    findings = tuple(
        finding(title=one, cause=one, advice=one, rivals=one, fingerprint=str(n)) for n, one in enumerate(texts)
    )
    undecided = resolution_rows()[4]
    rows = [
        undecided | {"id": n, "undecided_reason": one, "assumptions": (one,), "requester_host": one}
        for n, one in enumerate(stored)
    ]
    common = {"capture_id": 0, "layer": "pcapng", "count": 1}
    anomalies = table(columns.ANOMALIES, [{"name": one, "detail": one} for one in stored], **common)
    found = tables(resolutions=table(columns.RESOLUTIONS, rows), anomalies=anomalies)
    return analysis(captures=captures, findings=findings, tables=found, failures=tuple((one, one) for one in texts))


def rendered(told, module):
    """Return what a format makes of an analysis, with a gate that fails."""
    verdicts = (judge(parse_gate("flooded > 0"), told),)
    return renderer(module)(told, verdicts, "<svg></svg>") if module in FILES.values() else renderer(module)(told)


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = set(), set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}


@pytest.mark.parametrize("module", [*ANSWERS.values(), *FILES.values()])
def test_no_control_character_leaves(module):
    """No format passes on a control character, a direction override or a lone surrogate."""
    page = rendered(hostile_analysis(), module)

    assert [one for one in set(page) - {"\n"} if not one.isprintable()] == []


def test_csv_has_no_formula():
    """No cell of a CSV report starts as a formula, whatever blanks stand before it."""
    cells = [one for row in csv.reader(io.StringIO(rendered(hostile_analysis(), ANSWERS["csv"]))) for one in row]

    assert [one for one in cells if one.lstrip()[:1] in tuple("=+-@")] == []


def test_html_takes_nothing_from_the_data():
    """The page has the same elements and attributes whatever the data says."""
    plain = Elements(rendered(hostile_analysis(["plain"] * len(HOSTILE)), FILES["report.html"]))
    page = Elements(rendered(hostile_analysis(), FILES["report.html"]))

    assert (page.tags, page.attributes) == (plain.tags, plain.attributes)
    assert not page.tags & {"script", "img", "iframe", "link", "object"}


def test_html_loads_nothing():
    """The page forbids every load and names no address to load from."""
    page = rendered(analysis(), FILES["report.html"])

    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)[a-z]+:", page) == []


def test_json_keeps_text_exactly():
    """JSON is ASCII, parses, and gives each text back; a lone surrogate is written out."""
    page = rendered(hostile_analysis(), ANSWERS["json"])
    hosts = {one["host"] for one in json.loads(page)["captures"]}

    assert page.isascii()
    assert "\x7f" not in page
    assert hosts == {text.encode("utf-8", "backslashreplace").decode() for text in HOSTILE}


def test_junit_is_read_back():
    """JUnit XML is read back by junitparser with one case a gate, capture, rule and resolution."""
    suites = junitparser.JUnitXml.fromstring(rendered(hostile_analysis(), FILES["junit.xml"]).encode())

    assert [suite.tests for suite in suites] == [1, 2 * len(HOSTILE), 1, len(HOSTILE)]


def test_junit_tells_failures_errors_and_skips():
    """A failed gate is a failure, an unreadable capture an error, an undecided resolution skipped."""
    page = rendered(analysis(failures=(("bad.pcap", "not a capture"),)), FILES["junit.xml"])
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromstring(page.encode())}

    assert suites["evpn-pcap.gates"].failures == 1
    assert suites["evpn-pcap.captures"].errors == 1
    assert suites["evpn-pcap.resolutions"].skipped == 1
    assert suites["evpn-pcap.findings"].failures == 0


@given(st.text())
def test_cells_print_and_are_no_formula(text):
    """Any text becomes a cell of printing characters that is no formula, and letters and digits stay as they are."""
    told = cell(text)

    assert told.isprintable()
    assert not re.match(r"\s*[=+\-@]", told)
    assert visible(told) == told


@given(st.integers(-(2**62), 2**62))
def test_time_text_is_exact(time_ns):
    """The RFC 3339 text of a time has all nine digits of it."""
    text = time_text(time_ns)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", text)
    assert int(text[20:29]) == time_ns % 1_000_000_000


def test_text_leads_with_the_answer():
    """The text starts with the counts, then says what limits them, then the resolutions, then the findings."""
    page = rendered(analysis(failures=(("bad.pcap", "not a capture"),)), ANSWERS["text"])
    places = [
        page.index(words)
        for words in ("5 resolutions: 2 suppressed", "bad.pcap", "unalignable", "10:00:00.123456", "EVP001")
    ]

    assert places == sorted(places)
    assert places[0] == 0
    assert "vm1.pcap" in page
    assert "cut short" in page


def test_text_is_plain_unless_coloured():
    """No escape sequence is written unless colour is asked for."""
    told = analysis()

    assert "\x1b" not in renderer(ANSWERS["text"])(told)
    assert "\x1b[" in renderer(ANSWERS["text"])(told, 120, is_coloured=True)


def test_findings_come_gravest_first():
    """Findings are ordered by severity, then code."""
    found = json.loads(rendered(analysis(), ANSWERS["json"]))["findings"]

    assert [(one["severity"], one["code"]) for one in found] == [("high", "EVP001"), ("low", "EVP900")]


@pytest.mark.parametrize("module", [*ANSWERS.values(), *FILES.values()])
def test_empty_analysis_is_told(module):
    """An analysis without any row is a report all the same."""
    empty = tables(resolutions=columns.RESOLUTIONS.empty(), routes=columns.ROUTES.empty())
    told = analysis(
        captures=(), clocks=(), findings=(), tables=empty, summary=summarize(empty.resolutions, empty.flood_costs)
    )

    assert rendered(told, module)


@pytest.mark.parametrize("module", [*ANSWERS.values(), *FILES.values()])
def test_order_of_captures_and_findings_does_not_matter(module):
    """The same analysis in another order gives the same bytes."""
    told = analysis()
    other = replace(told, captures=told.captures[::-1], clocks=told.clocks[::-1], findings=told.findings[::-1])

    assert rendered(told, module) == rendered(other, module)


@pytest.mark.parametrize("declared", columns.TABLES, ids=lambda one: one.name)
@pytest.mark.parametrize("form", FORMATS)
def test_every_table_is_printed_empty(declared, form):
    """Every table has a text, a JSON and a CSV form without rows."""
    told = written(declared, declared.empty(), NAMES)

    assert FORMATS[form](declared.name.lower(), told)


def test_written_forms():
    """MACs, frames, times and missing values take their written form."""
    row = records(written(columns.RESOLUTIONS, tables().resolutions, NAMES))[4]

    assert row["requester_mac"] == "bc:24:11:00:00:01"
    assert row["time"] == "2026-11-22T10:00:07.123456789Z"
    assert row["margin_ns"] is None
    assert row["reason"] is None
    assert row["assumptions"] == ["vm1 and vm2 sit behind different VTEPs", "b"]


def test_negative_numbers_stay_numbers_in_csv():
    """A negative number is a number, not a formula."""
    assert as_csv("clocks", {"offset_ns": [-5], "host": ["-x"]}).splitlines()[1] == "-5,'-x"


def test_routes_read_as_frr_prints_them():
    """Each route type has FRR's prefix, route distinguishers are in numeric order, attributes in FRR's."""
    page = as_show(records(written(table_named("routes"), routes(), NAMES)))

    assert "*>i[2]:[0]:[48]:[bc:24:11:00:00:02]\n" in page
    assert "*>i[2]:[0]:[48]:[bc:24:11:00:00:02]:[32]:[10.2.1.12]\n" in page
    assert "*>i[2]:[0]:[48]:[bc:24:11:00:00:02]:[128]:[fe80::2]\n" in page
    assert "*>i[3]:[0]:[32]:[192.168.16.4]\n" in page
    assert "*>i[5]:[0]:[24]:[10.2.1.0]\n" in page
    assert "RT:65001:5001 RT:65001:10000 ET:8 MM:1 Rmac:02:aa:bb:cc:dd:01\n" in page
    assert page.index("192.168.16.4:2") < page.index("192.168.16.10:3")


@pytest.mark.parametrize("form", CLOCK_FORMATS)
def test_clocks_tell_hosts_without_a_fit(form):
    """A host that cannot be aligned is told with its quality, and without figures."""
    page = CLOCK_FORMATS[form](analysis().clocks, analysis().tables.clock_pairs)

    assert "unalignable" in page
    assert page.index("pve1") < page.index("vm9")


@pytest.mark.parametrize(
    ("expression", "is_failed"),
    [
        ("suppression_ratio < 0.9", True),
        ("suppression_ratio<0.6", False),
        (" flooded >= 1 ", True),
        ("flooded != 1", False),
        ("resolution_count == 5", True),
        ("margin_max_ns <= 3999", False),
        ("unalignable_count > 0", True),
        ("unreadable_count > 0", False),
        ("capture_count > -1", True),
        ("findings > 1", True),
        ("findings{severity=high} > 0", True),
        ("findings{severity=high, name=no-svi-address, vni=5001} > 1", False),
        ('findings{code="EVP900"} == 1', True),
    ],
)
def test_gates(expression, is_failed):
    """An expression holds as its words say."""
    assert judge(parse_gate(expression), analysis()).is_failed is is_failed


@pytest.mark.parametrize(
    "expression",
    [
        *("", "flooded", "flooded > x", "nothing > 1", "flooded > 1e9", "flooded > nan", "flooded > \u0661"),
        *("flooded{a=b} > 1", "findings{colour=red} > 1", "findings{severity} > 1"),
        *("__import__('os') > 1", "flooded > 1; flooded > 2"),
    ],
)
def test_wrong_gates_are_refused(expression):
    """An expression outside the grammar is a usage error."""
    with pytest.raises(OptionError, match="--fail-on"):
        parse_gate(expression)


def test_gate_without_a_figure_is_inconclusive():
    """A ratio of nothing neither holds nor fails."""
    empty = columns.RESOLUTIONS.empty()
    told = analysis(summary=summarize(empty, flood_costs().head(0)), clocks=())

    assert judge(parse_gate("suppression_ratio < 0.9"), told).is_failed is None
    assert judge(parse_gate("margin_max_ns > 0"), told).result == "inconclusive"


def test_summary_counts_resolutions_only():
    """Probes, refreshes and announcements are in no figure."""
    told = figures(analysis())

    assert (told["resolution_count"], told["suppressed"], told["flooded"], told["learned"], told["undecided"]) == (
        5,
        2,
        1,
        1,
        1,
    )
    assert told["suppression_ratio"] == pytest.approx(2 / 3)
    assert told["fabric_copy_count"] == 3


def test_scope_keeps_what_overlaps():
    """A row is in scope when its moment or interval is, and when its segment may be."""
    found = tables()
    options = Options(vnis=frozenset({7}), since_ns=START_NS + 3_000_000_000, until_ns=START_NS + 6_000_000_000)

    assert in_scope(found.resolutions, options).empty
    assert in_scope(found.resolutions, replace(options, vnis=frozenset()))["id"].tolist() == [3, 4]
    assert in_scope(found.routes, options)["route_type"].tolist() == [3, 5]
    assert (
        len(
            in_scope(
                found.routes, replace(options, vnis=frozenset({5001}), since_ns=START_NS + 7_000_000_000, until_ns=None)
            )
        )
        == 4
    )


def test_severities_have_an_order():
    """Every severity can be sorted."""
    told = analysis(findings=tuple(finding(severity=one) for one in Severity))

    assert [one["severity"] for one in json.loads(rendered(told, ANSWERS["json"]))["findings"]] == [
        "high",
        "medium",
        "low",
        "info",
    ]
