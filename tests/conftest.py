"""What all tests share: where the captures are, and what this machine can do."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
VLAN_AWARE = ("unshare", "--net", "ip", "link", "add", "name", "try", "type", "bridge", "vlan_filtering", "1")
SHARED = PROJECT.parent / "shared"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the program is started a hundred times here, and compiled once


def pytest_addoption(parser):
    """Let a developer see what the analysis now says about each sample (with -s)."""
    parser.addoption(
        "--update-samples", action="store_true", help="print what is found in each sample; overwrites nothing"
    )
    parser.addoption(
        "--every-pair", action="store_true", help="judge every pair of the real captures, not every ninth: +15 minutes"
    )


# What takes longest comes first, so that the workers of `make test` end together. Real fabrics come before all,
# test_truth after all: it keeps both cores busy by itself. What is not named takes less than a minute.
LONGEST = (
    *("test_lab", "test_samples", "test_cli", "test_corpus", "test_readers_agree", "test_reasons"),
    *("test_parts", "test_checks", "test_synth", "test_bgp"),
)
LAST = "test_truth"


def pytest_collection_modifyitems(items):
    """Skip, with the reason printed, what this machine cannot run; put the files that take longest first."""
    places = {name: place for place, name in enumerate(LONGEST)} | {LAST: len(LONGEST) + 1}
    items.sort(key=lambda item: places.get(item.path.stem, len(LONGEST)))
    for item in items:
        if item.get_closest_marker("corpus") and not (SHARED / "captures").is_dir():
            item.add_marker(pytest.mark.skip(reason="the shared captures and corpus are not beside the project"))
        if item.get_closest_marker("tshark") and not (shutil.which("tshark") and shutil.which("capinfos")):
            item.add_marker(pytest.mark.skip(reason="tshark and capinfos are not installed"))
        lab = item.get_closest_marker("lab")
        if lab is not None and (missing := _lab_lacks(*lab.args)):
            item.add_marker(pytest.mark.skip(reason=f"the lab needs {missing}"))


@cache
def _lab_lacks(kind: str = "") -> str:
    """Return what this machine lacks to run a real fabric, of a kind (`make system` as root installs programs)."""
    if os.geteuid() != 0:
        return "root"
    programs = ("/usr/lib/frr/bgpd", "vtysh", "nft", "arping", "ndisc6", "ping", "tcpdump", "dumpcap", "ip", "bridge")
    lacking = [Path(name).name for name in programs if not shutil.which(name)]
    if not lacking and subprocess.run(("unshare", "--net", "true"), capture_output=True, check=False).returncode:
        return "leave to make network namespaces"
    needs_other_kernel = (
        kind == "vlan-aware" and subprocess.run(VLAN_AWARE, capture_output=True, check=False).returncode
    )
    if not lacking and needs_other_kernel and not shutil.which("linux.uml"):
        return "a kernel with VLAN filtering in bridges, or user-mode Linux"
    return ", ".join(lacking)


@pytest.fixture(scope="session")
def captures_folder() -> Path:
    """The real captures with independent truth."""
    return SHARED / "captures"


@pytest.fixture(scope="session")
def corpus_folder() -> Path:
    """Public captures of other projects, many malformed."""
    return SHARED / "corpus"
