"""Every public capture, whole and cut, ends the `packets` command with an answer: no traceback, hang or signal."""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from evpn_pcap.cli import run

pytestmark = pytest.mark.corpus

# Crashes of other programs found by fuzzers, and one of each kind of container.
PROCESS_FILES = (
    "tcpdump/tests/arp-oobr.pcap",
    "tcpdump/tests/bgp_vpn_rt-oobr.pcap",
    "tcpdump/tests/icmpv6-length-zero.pcapng",
    "tcpdump/tests/hoobr_juniper3.pcap",
    "tcpdump/tests/vxlan.pcap",
    "pcapng/be/test202.pcapng",
    "pcapng/le/test901.pcapng",
    "ryu-bgp4/evpn_nlri_mac_ip_ad.pcap",
)
CUTS_BYTES = (64, 96, 128)
PROCESS_SECONDS = 25  # OSS-Fuzz's own bound for one small input
ACCOUNT = re.compile(r"^(\d+) records = (\d+) decoded((?: \+ \d+ [a-z0-9.-]+)*)$")


class Ending(NamedTuple):
    """How one run ended."""

    status: int
    told: tuple[str, ...]  # lines on standard error


def is_clear(ending: Ending, file: Path) -> bool:
    """Return whether the run says what it read, or in one line why it could not."""
    if ending.status == 3:
        return len(ending.told) == 1 and ending.told[0].startswith("evpn-pcap: ") and file.name in ending.told[0]
    return ending.status == 0 and len(ending.told) == 1 and is_accounted(ending.told[0])


def is_accounted(line: str) -> bool:
    """Return whether a line is an account of records whose sum is right."""
    account = ACCOUNT.match(line)
    if not account:
        return False
    total, decoded, rest = account.groups()
    return int(total) == int(decoded) + sum(int(count) for count in re.findall(r"\+ (\d+) ", rest))


@pytest.fixture
def ending_of(capsys):
    """A function that runs `packets` on a file in this process."""

    def packets(file: Path) -> Ending:
        status = run(["packets", "--workers", "1", str(file)])
        return Ending(status, tuple(capsys.readouterr().err.splitlines()))

    return packets


def test_every_file_gets_a_clear_answer(corpus_folder, ending_of):
    """`packets` accounts for every record of every public capture, or says in one line why it cannot."""
    files = sorted(file for file in corpus_folder.rglob("*") if file.is_file())

    endings = {file: ending_of(file) for file in files}

    assert len(files) > 900
    assert {str(file): one for file, one in endings.items() if not is_clear(one, file)} == {}


def test_every_cut_file_gets_a_clear_answer(corpus_folder, ending_of, tmp_path):
    """So does what is left of a file whose copying was broken off early."""
    files = sorted(corpus_folder.rglob("*.pcap*"))[::40][:20]
    cuts = [cut_to(file, size, tmp_path) for file in files for size in CUTS_BYTES]

    endings = {file: ending_of(file) for file in cuts}

    assert len(endings) == 60
    assert {str(file): one for file, one in endings.items() if not is_clear(one, file)} == {}


def test_a_shorter_cut_never_has_more_records(corpus_folder, ending_of, tmp_path):
    """Records counted never decrease as more of a file is there."""
    file = corpus_folder / "tcpdump/tests/vxlan.pcap"
    sizes = range(24, file.stat().st_size, 7)

    counts = [int(ending_of(cut_to(file, size, tmp_path)).told[0].split()[0]) for size in sizes]

    assert counts == sorted(counts)
    assert counts[-1] > counts[0] == 0


@pytest.mark.parametrize("name", PROCESS_FILES)
def test_the_program_itself_ends_well(corpus_folder, name):
    """As a process of its own, too, the program ends in time, by itself, with the answer on the right streams."""
    file = corpus_folder / name
    command = [sys.executable, "-c", "from evpn_pcap.cli import main; main()", "packets", "--format", "json", str(file)]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS_SECONDS)

    assert is_clear(Ending(ended.returncode, tuple(ended.stderr.splitlines())), file)
    assert "Traceback" not in ended.stdout + ended.stderr


def cut_to(file: Path, size_bytes: int, folder: Path) -> Path:
    part = folder / f"{size_bytes}-{file.name}"
    part.write_bytes(file.read_bytes()[:size_bytes])
    return part


def test_analyze_survives_what_packets_survives(corpus_folder, capsys):
    """The whole analysis of captures with ARP, ND or BGP in them, well-formed or not, ends as `packets` does."""
    files = [file for file in sorted(corpus_folder.rglob("*")) if re.search(r"arp|icmp|bgp|evpn|vxlan", file.name)][::3]

    statuses = {file.name: run(["analyze", "--workers", "1", "--format", "json", str(file)]) for file in files}

    capsys.readouterr()
    assert len(files) > 25
    assert set(statuses.values()) <= {0, 3}
