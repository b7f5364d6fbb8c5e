"""`check` and --baseline: findings alone, and of a later run only what the earlier one did not have."""

import json

import pytest

from evpn_pcap.cli import run
from tests.conftest import PROJECT

SAMPLE = str(PROJECT / "samples" / "learned-then-suppressed")
GATE = ("--fail-on", "findings > 0", "--no-progress")


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """Return a folder with the analysis.json of the sample, and one of a run that found other things."""
    folder = tmp_path_factory.mktemp("baseline")
    assert run(["analyze", SAMPLE, "--format", "json", "--out", str(folder), "--no-progress"]) == 0
    same = json.loads((folder / "analysis.json").read_text())
    changed = same | {"findings": [one | {"fingerprint": "0" * 16} for one in same["findings"]]}
    flooded = [one for one in same["resolutions"] if one["outcome"] == "flooded"]
    changed["resolutions"] = [one | {"outcome": "suppressed"} for one in flooded]
    (folder / "other.json").write_text(json.dumps(changed))
    return folder


def test_known_findings_fail_no_gate(earlier, capsys):
    """A finding of the baseline counts for no gate and is marked as known; without the baseline it fails the gate."""
    assert run(["check", SAMPLE, *GATE]) == 1
    capsys.readouterr()
    assert run(["check", SAMPLE, *GATE, "--baseline", str(earlier / "analysis.json")]) == 0

    told = capsys.readouterr()
    assert "\nknown: EVP" in told.out
    assert "NEW" not in told.out
    assert "0 new findings" in told.err
    assert "0 changed verdicts" in told.err


def test_new_findings_and_changed_verdicts_are_told(earlier, capsys):
    """A finding that the baseline lacks fails the gate and is marked, and a question answered otherwise is named."""
    arguments = ["check", SAMPLE, *GATE, "--format", "json", "--baseline", str(earlier / "other.json")]

    assert run(arguments) == 1

    told = capsys.readouterr()
    found = json.loads(told.out)["findings"]
    assert {one["is_new"] for one in found} == {True}
    assert "1 gone" in told.err
    assert "changed verdicts (3, 4" in told.err


@pytest.mark.parametrize(
    ("content", "words"), [("{", "is not JSON"), ("[]", "is no analysis.json"), ('{"resolutions": []}', "findings")]
)
def test_no_baseline(content, words, tmp_path, capsys):
    """A file that is no analysis.json is wrong usage, said before any capture is read."""
    file = tmp_path / "baseline.json"
    file.write_text(content)

    assert run(["check", "no-such-capture.pcap", "--baseline", str(file)]) == 2
    assert words in capsys.readouterr().err
