"""The command line: exit statuses, where words and data go, files that are whole, starting fast."""

import csv
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import jsonschema
import junitparser
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import evpn_pcap
from evpn_pcap import columns
from evpn_pcap.cli import COMMANDS, run
from evpn_pcap.cli.options import Format, Output, moment_ns
from evpn_pcap.cli.output import write_whole
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.errors import CaptureError, DependencyError, EvpnPcapError, OptionError
from evpn_pcap.model import Options
from evpn_pcap.reading import read_captures, updates_of
from evpn_pcap.report.values import time_text
from evpn_pcap.scale import runner
from tests.conftest import PROJECT

SAMPLE = str(PROJECT / "samples" / "learned-then-suppressed")
ONE_FILE = f"{SAMPLE}/pve1-ens18.pcap"
VM_ONLY = f"{SAMPLE}/vm1-ens19.pcap"
PROGRAM = [sys.executable, "-c", "from evpn_pcap.cli import main; main()"]


def program(*arguments, **options):
    """Run the program in a process of its own."""
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """Return the folder of one whole report on the sample, with a gate that fails."""
    folder = tmp_path_factory.mktemp("report")
    status = run(["report", SAMPLE, "--out", str(folder), "--fail-on", "suppression_ratio < 0.9", "--quiet"])
    assert status == ExitStatus.GATE_FAILED
    return folder


@pytest.fixture(scope="module")
def found():
    """Return the analysis of the sample."""
    return evpn_pcap.analyze([SAMPLE])


def test_help_starts_without_the_heavy_libraries():
    """`evpn-pcap --help` imports neither numpy, pandas, matplotlib, pyshark, pyarrow, Jinja2 nor Dask."""
    heavy = {"numpy", "pandas", "matplotlib", "pyshark", "pyarrow", "jinja2", "junitparser", "distributed"}
    asked = f"print({heavy!r} & set(sys.modules), file=sys.stderr)"
    script = f"import sys; from evpn_pcap.cli import run; run(['--help']); {asked}"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stderr.strip() == "set()"


@pytest.mark.parametrize("form", ["text", "json", "csv"])
@pytest.mark.parametrize("name", ["packets", "updates"])
def test_first_tables_do_without_the_heavy_libraries(name, form):
    """`evpn-pcap packets` and `updates` print their table without pandas, pyarrow, matplotlib, pyshark or Jinja2."""
    heavy = {"pandas", "matplotlib", "pyshark", "pyarrow", "jinja2", "junitparser", "distributed"}
    asked = f"print({heavy!r} & set(sys.modules), file=sys.stderr)"
    arguments = [name, SAMPLE, "--format", form, "--vni", "5001", "--since", "2026-11-22T00:00:00Z", "--quiet"]
    script = f"import sys; from evpn_pcap.cli import run; run({arguments!r}); {asked}"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stderr.strip() == "set()"
    assert ended.stdout.count("\n") > 10


@pytest.mark.parametrize(("name", "table"), [("packets", columns.PACKETS), ("updates", columns.UPDATES)])
def test_parquet_without_pandas_is_what_pandas_reads(name, table, tmp_path):
    """The Parquet file of a table that no DataFrame was made of has every declared column and kind, and no pandas."""
    arguments = [name, SAMPLE, "--format", "parquet", "--out", str(tmp_path), "--quiet"]
    script = f"import sys; from evpn_pcap.cli import run; run({arguments!r}); print('pandas' in sys.modules)"

    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == "False"
    found = pd.read_parquet(tmp_path / f"{name}.parquet")
    assert found.dtypes.astype(str).to_dict() == {one.name: one.kind.dtype for one in table.columns}
    decoded, _ = read_captures([SAMPLE], Options(anchors_per_second_count=0))
    expected = updates_of(decoded)[0].frame() if name == "updates" else table.concat([one.packets for one in decoded])
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("name", [*COMMANDS, "plot timeline"])
def test_every_command_has_help(name, capsys):
    """Every command explains itself and its arguments."""
    assert run([*name.split(), "--help"]) == ExitStatus.PASS
    assert "Example: evpn-pcap" in capsys.readouterr().out


def test_version(capsys):
    """--version prints the version alone."""
    assert run(["--version"]) == ExitStatus.PASS
    assert capsys.readouterr().out.strip() == "0.1.0"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bogus"],
        ["bogus"],
        ["analyze"],
        ["analyze", ONE_FILE, "--bogus"],
        ["analyze", ONE_FILE, "--vni", "16777216"],
        ["analyze", ONE_FILE, "--vxlan-port", "0"],
        ["analyze", ONE_FILE, "--gateway", "10.2.1"],
        ["analyze", ONE_FILE, "--since", "yesterday"],
        ["analyze", ONE_FILE, "--since", "2026-11-22T10:00:00Z", "--until", "2026-11-22T10:00:00Z"],
        ["analyze", ONE_FILE, "--format", "yaml"],
        ["analyze", ONE_FILE, "--format", "parquet"],
        ["analyze", ONE_FILE, "--fail-on", "suppression < 1"],
        ["analyze", ONE_FILE, "--fabric", "/nonexistent/fabric.toml"],
        ["analyze", ONE_FILE, "--reader", "scapy"],
        ["packets", ONE_FILE, "--fail-on", "flooded > 0"],
        ["routes", ONE_FILE, "--at", "noon"],
        ["plot", "timeline", ONE_FILE],
        ["plot", "timeline", ONE_FILE, "-o", "timeline.gif"],
        ["report", ONE_FILE],
        ["tables", "--format", "csv"],
    ],
)
def test_wrong_usage_is_2(arguments, capsys):
    """Wrong usage ends with 2, with words on standard error and nothing on standard output."""
    assert run(arguments) == ExitStatus.USAGE

    said = capsys.readouterr()
    assert said.err
    assert said.out == ""


def test_unreadable_capture_is_3_in_one_line(tmp_path, capsys):
    """A file that is no capture ends with 3 and one line that names it."""
    (tmp_path / "bad.pcap").write_bytes(b"no capture at all, only words")

    assert run(["packets", str(tmp_path / "bad.pcap")]) == ExitStatus.INPUT

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "bad.pcap" in said


@pytest.mark.parametrize("soft", [[], ["--soft-fail"]])
def test_unreadable_capture_does_not_hide_the_others(tmp_path, capsys, soft):
    """What could be read is reported, and the status is 3, whatever the gates and --soft-fail say."""
    (tmp_path / "bad.pcap").write_bytes(b"no capture at all, only words")
    shutil.copy(VM_ONLY, tmp_path)

    status = run(["analyze", str(tmp_path), "--format", "json", "--fail-on", "capture_count > 0", *soft])

    told = json.loads(capsys.readouterr().out)
    assert status == ExitStatus.INPUT
    assert [one["path"] for one in told["captures"]] == ["vm1-ens19.pcap"]
    assert [one["path"] for one in told["failures"]] == ["bad.pcap"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], ExitStatus.PASS),
        (["--fail-on", "suppression_ratio > 0.9"], ExitStatus.PASS),
        (["--fail-on", "suppression_ratio > 0.9", "--fail-on", "flooded > 1"], ExitStatus.GATE_FAILED),
        (["--fail-on", "flooded > 1", "--soft-fail"], ExitStatus.PASS),
        (["--strict-evidence"], ExitStatus.PASS),
    ],
)
def test_gates_decide_the_status(arguments, status):
    """Findings alone pass; a gate that holds gives 1, and 0 with --soft-fail."""
    assert run(["clocks", SAMPLE, *arguments]) == status


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], ExitStatus.PASS),
        (["--fail-on", "margin_max_ns > 10"], ExitStatus.PASS),
        (["--strict-evidence"], ExitStatus.INCONCLUSIVE),
        (["--strict-evidence", "--soft-fail"], ExitStatus.PASS),
    ],
)
def test_missing_evidence_counts_only_when_asked(arguments, status):
    """One VM's capture leaves resolutions undecided: 4 with --strict-evidence, else 0."""
    assert run(["clocks", VM_ONLY, *arguments]) == status


def test_gate_without_a_figure_is_said(capsys):
    """A gate that cannot be judged is told on standard error, and gives 4 with --strict-evidence."""
    far = ["--since", "2030-01-01T00:00:00Z", "--fail-on", "suppression_ratio < 0.5"]

    assert run(["analyze", VM_ONLY, *far]) == ExitStatus.PASS
    assert "not judged" in capsys.readouterr().err
    assert run(["analyze", VM_ONLY, *far, "--strict-evidence"]) == ExitStatus.INCONCLUSIVE


def test_analysis_is_what_the_schema_says(answers):
    """The JSON of a real analysis is valid, and names no absolute path."""
    text = (answers / "analysis.json").read_text(encoding="utf-8")
    schema = json.loads((PROJECT / "evpn_pcap/schema/analysis.schema.json").read_text(encoding="utf-8"))

    jsonschema.Draft202012Validator(schema).validate(json.loads(text))
    assert str(PROJECT) not in text


def test_routes_are_what_the_schema_says(capsys):
    """The JSON of real routes is valid."""
    schema = json.loads((PROJECT / "evpn_pcap/schema/routes.schema.json").read_text(encoding="utf-8"))

    assert run(["routes", SAMPLE, "--format", "json"]) == ExitStatus.PASS
    told = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema).validate(told)
    assert told["routes"]


def test_same_input_same_bytes(answers, tmp_path):
    """Hash seed, time zone and language change no byte of a report."""
    other = os.environ | {"PYTHONHASHSEED": "7", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "LANG": "tr_TR.UTF-8"}
    program("report", SAMPLE, "--out", str(tmp_path), "--fail-on", "suppression_ratio < 0.9", env=other)

    names = sorted(path.relative_to(answers) for path in answers.rglob("*") if path.is_file())
    assert [name for name in names if (answers / name).read_bytes() != (tmp_path / name).read_bytes()] == []
    assert len(names) == 6


def test_report_is_read_back(answers):
    """JUnit XML of a real analysis has the failed gate and a case a capture; the page holds the timeline."""
    suites = {suite.name: suite for suite in junitparser.JUnitXml.fromfile(str(answers / "junit.xml"))}
    rows = list(csv.DictReader(io.StringIO((answers / "resolutions.csv").read_text(encoding="utf-8"))))
    page = (answers / "report.html").read_text(encoding="utf-8")

    assert suites["evpn-pcap.gates"].failures == 1
    assert suites["evpn-pcap.captures"].tests == len(list(Path(SAMPLE).glob("*.pcap")))
    assert suites["evpn-pcap.resolutions"].tests == len(rows)
    assert page.count("<svg") == 1
    assert "failed" in (answers / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "tables"),
    [
        *((name, [name]) for name in ("events", "flows", "routes", "resolutions")),
        ("clocks", ["clocks", "clock_pairs"]),
    ],
)
def test_stages_print_their_table(name, tables, capsys):
    """Each stage's command prints its table under its name; clocks also what each two hosts' frames say."""
    assert run([name, ONE_FILE, VM_ONLY, "--format", "json"]) == ExitStatus.PASS
    assert list(json.loads(capsys.readouterr().out)) == ["schema_version", *tables]


@pytest.mark.parametrize("name", ["packets", "events", "flows", "routes", "resolutions"])
def test_formats_agree(name, found, tmp_path, capsys):
    """JSON, CSV and Parquet of a table have the same number of rows; with --out nothing goes to standard output."""
    table = getattr(found.tables, name)
    for form in Format:
        send_table(name, table, found.captures, Output(form, tmp_path))
    counts = [
        len(json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))[name]),
        len(list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text(encoding="utf-8"))))),
        len(pd.read_parquet(tmp_path / f"{name}.parquet")),
        len((tmp_path / f"{name}.txt").read_text(encoding="utf-8").splitlines()) - 1,
    ]

    assert len(table) > 0
    assert counts == [len(table)] * 4
    assert capsys.readouterr().out == ""


def test_packets_account_for_every_record(tmp_path, capsys):
    """Records = decoded + skipped, in counts.json and in the one line on standard error."""
    assert run(["packets", ONE_FILE, "--format", "parquet", "--out", str(tmp_path)]) == ExitStatus.PASS
    (told,) = json.loads((tmp_path / "counts.json").read_text(encoding="utf-8"))["captures"]
    said = capsys.readouterr().err

    assert told["packet_count"] == told["decoded_count"] + sum(told["skipped"].values())
    assert said == f"{told['packet_count']} records = {told['decoded_count']} decoded\n"
    assert len(pd.read_parquet(tmp_path / "packets.parquet")) <= told["packet_count"]


def test_packets_keep_to_their_scope(capsys):
    """--since and --until leave out what was captured before and after."""
    run(["packets", ONE_FILE, "--format", "json", "--quiet"])
    times = [one["captured_ns"] for one in json.loads(capsys.readouterr().out)["packets"]]
    middle = times[len(times) // 2]
    run(
        [
            "packets",
            ONE_FILE,
            "--format",
            "json",
            "--quiet",
            "--since",
            time_text(middle),
            "--until",
            time_text(middle + 1_000_000),
        ]
    )

    left = [one["captured_ns"] for one in json.loads(capsys.readouterr().out)["packets"]]
    assert left == [one for one in times if middle <= one < middle + 1_000_000]


def test_routes_at_a_moment(capsys):
    """routes --at prints one table a receiver, and one alone with --receiver."""
    at = ["--at", "2026-11-22T19:27:36Z"]
    run(["routes", SAMPLE, *at])
    everyone = capsys.readouterr().out
    run(["routes", SAMPLE, *at, "--receiver", "192.168.16.2"])
    one = capsys.readouterr().out

    assert everyone.count("BGP table version") > 1
    assert one.count("local router ID is 192.168.16.2\n") == one.count("BGP table version") == 1
    assert "[2]:[0]:[48]:[bc:24:11:00:00:01]:[32]:[10.2.1.11]" in one


PRINTED = PROJECT / "samples" / "snapshot-contradicts"


def test_routes_at_a_moment_are_what_frr_prints(capsys):
    """routes --at prints, line by line, what FRR itself printed on that hypervisor at that moment."""
    (print_,) = (PRINTED / "prints").glob("pve1@1795392523637864752-*")
    run(["routes", str(PRINTED), "--at", "1795392523.637864752", "--receiver", "192.168.16.1"])
    ours = capsys.readouterr().out.splitlines()

    assert ours[1:] == print_.read_text().splitlines()[1:]


@pytest.mark.parametrize(
    ("option", "count"),
    [(["--mac", "bc:24:11:00:00:02"], 3), (["--ip", "10.2.1.12"], 1), (["--vni", "5001"], 10), (["--vni", "7"], 0)],
)
def test_routes_of_one_address(option, count, capsys):
    """--mac, --ip and --vni leave the routes of one machine, address or segment."""
    run(["routes", str(PRINTED), *option, "--receiver", "192.168.16.1", "--format", "json"])

    assert len(json.loads(capsys.readouterr().out)["routes"]) == count


@pytest.mark.parametrize("option", [["--mac", "zz"], ["--ip", "here"]])
def test_wrong_addresses_are_refused(option, capsys):
    """A MAC or IP address that is none is an error that names the option."""
    assert run(["routes", str(PRINTED), *option]) == 2
    assert option[0] in capsys.readouterr().err


def test_standard_input_is_a_capture(capsys):
    """`-` reads a capture from standard input, whatever --workers says."""
    run(["packets", ONE_FILE, "--format", "csv", "--quiet"])
    rows = len(capsys.readouterr().out.splitlines())

    with Path(ONE_FILE).open("rb") as file:
        ended = program("packets", "-", "--format", "csv", "--workers", "2", stdin=file)

    assert ended.returncode == ExitStatus.PASS
    assert len(ended.stdout.splitlines()) == rows


def test_workers_change_no_byte(capsys):
    """Two processes give what one gives."""
    run(["analyze", SAMPLE, "--format", "json"])
    alone = capsys.readouterr().out
    together = program("analyze", SAMPLE, "--format", "json", "--workers", "2")

    assert together.stdout == alone
    assert together.stderr == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_runner_keeps_the_order(workers):
    """A runner is a map: results come in the order of the items."""
    with runner(workers) as run_over:
        assert list(run_over(abs, [-3, 2, -1])) == [3, 2, 1]


def test_dead_worker_is_one_clear_error():
    """A worker that is killed ends the run with an error of ours, not with a hang."""
    with pytest.raises(CaptureError, match="worker process died"), runner(2) as run_over:
        list(run_over(_die, [1, 2]))


def _die(_item):
    os.kill(os.getpid(), signal.SIGKILL)


def test_missing_dask_is_said(monkeypatch):
    """--scheduler without the extra says what to install."""
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(DependencyError, match=r"evpn-pcap\[dask\]"), runner(1, "tcp://127.0.0.1:1"):
        pass


def test_reader_that_has_seen_enough():
    """A pipe that is closed early ends the program quietly."""
    with subprocess.Popen([*PROGRAM, "tables"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()

    assert process.returncode == ExitStatus.PASS
    assert said == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_3_in_one_line():
    """Standard output that takes nothing more ends with 3 and one line."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*PROGRAM, "tables"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)

    assert ended.returncode == ExitStatus.INPUT
    assert ended.stderr.count("\n") == 1


def test_unwritable_target_is_3_in_one_line(tmp_path, capsys):
    """A report that cannot be written ends with 3, one line, and nothing left behind."""
    (tmp_path / "file").write_text("here first", encoding="utf-8")

    assert run(["clocks", VM_ONLY, "--format", "json", "--out", str(tmp_path / "file")]) == ExitStatus.INPUT
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_files_are_replaced_whole(tmp_path):
    """A new file takes the old one's name in one step; a symbolic link stays one."""
    (tmp_path / "old").write_text("old", encoding="utf-8")
    (tmp_path / "link").symlink_to("old")
    write_whole(tmp_path / "link", b"new")

    assert (tmp_path / "old").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "old"]


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    """When the disk is full the old content stays, and no part of the new one."""
    (tmp_path / "old").write_text("old", encoding="utf-8")
    monkeypatch.setattr(os, "fsync", _full)

    with pytest.raises(EvpnPcapError, match="old: cannot be written: No space left"):
        write_whole(tmp_path / "old", b"new")

    assert [(path.name, path.read_text(encoding="utf-8")) for path in tmp_path.iterdir()] == [("old", "old")]


def _full(_descriptor):
    raise OSError(28, os.strerror(28))


def on_a_terminal(environment):
    """Return what `analyze` writes to a terminal that is both standard output and standard error."""
    master, slave = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "analyze", VM_ONLY], stdout=slave, stderr=slave, env=os.environ | environment
    ) as process:
        os.close(slave)
        chunks = []
        while chunk := _read(master):
            chunks.append(chunk)
    os.close(master)
    assert process.returncode == ExitStatus.PASS
    return b"".join(chunks).decode()


def _read(descriptor):
    try:
        return os.read(descriptor, 65536)
    except OSError:  # the other end is closed
        return b""


def test_colour_is_for_terminals_that_want_it():
    """A terminal gets colour and a progress bar; NO_COLOR takes the colour away."""
    terminal = {"TERM": "xterm", "NO_COLOR": "", "COLUMNS": "200"}
    watched = on_a_terminal(terminal)

    assert "\x1b[3" in watched
    assert "reading captures" in watched
    assert "\x1b[3" not in on_a_terminal(terminal | {"NO_COLOR": "1"})


def test_verbose_accounts_for_each_capture(capsys):
    """--verbose says of every capture where its records went."""
    run(["clocks", VM_ONLY, "--verbose"])

    assert capsys.readouterr().err == "vm1-ens19.pcap: 48 records = 48 decoded\n"


def test_hostile_file_name(tmp_path):
    """A file name with octets that are no text or act on a terminal is read, and shown written out."""
    name = os.fsencode(tmp_path) + b"/h\x1b[2J\xff-p.pcap"
    shutil.copy(VM_ONLY, name)

    ended = subprocess.run([*PROGRAM, "analyze", name], capture_output=True, check=False)

    assert ended.returncode == ExitStatus.PASS, ended.stderr
    assert b"h\\x1b[2J" in ended.stdout
    assert b"\x1b" not in ended.stdout + ended.stderr


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("0", 0),
        ("1.5", 1_500_000_000),
        ("-1.5", -1_500_000_000),
        ("1795341600.123456789", 1_795_341_600_123_456_789),
        ("2026-11-22T10:00:00.123456789Z", 1_795_341_600_123_456_789),
        ("2026-11-22 11:00:00.1+01:00", 1_795_341_600_100_000_000),
        ("2026-11-22T10:00:00", 1_795_341_600_000_000_000),
        ("2026-11-22", 1_795_305_600_000_000_000),
    ],
)
def test_moments_are_exact(text, time_ns):
    """RFC 3339 and seconds become ns without a float between; without a zone a time is UTC."""
    assert moment_ns(text, "--since") == time_ns


@pytest.mark.parametrize(
    "text", ["", "x", "1.2.3", "1.", "1e3", "1.1234567890", "2026-13-01", "99999999999", "\u0661", "--1", "1 Z"]
)
def test_wrong_moments_are_refused(text):
    """What is no moment is a usage error that names the option."""
    with pytest.raises(OptionError, match="--since"):
        moment_ns(text, "--since")


@given(st.integers(0, 2**62))
def test_moments_are_read_as_they_are_written(time_ns):
    """The program reads the times that it prints."""
    assert moment_ns(time_text(time_ns), "--since") == time_ns
