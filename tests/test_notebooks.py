"""Every notebook runs from top to bottom, and is stored without outputs."""

import os
import re
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
PUBLIC = re.compile(r"import evpn_pcap|from evpn_pcap import \w+|from evpn_pcap\.plots import \w+")


def cells(path, kind):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path):
    """A diff of a notebook shows what somebody wrote, not what a run printed."""
    assert [cell.id for cell in cells(path, "code") if cell.outputs or cell.execution_count] == []
    assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_use_public_names_only(path):
    """What a notebook needs, a user can have: no import from the inside, no function of its own."""
    lines = [line for cell in cells(path, "code") for line in cell.source.splitlines()]

    imports = [line for line in lines if "import" in line and "evpn_pcap" in line]

    assert imports
    assert [line for line in imports if not PUBLIC.fullmatch(line)] == []
    assert [line for line in lines if line.startswith("def ")] == []


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def executed(request, tmp_path_factory):
    """A notebook after its run, in a kernel of this interpreter."""
    notebook = nbformat.read(request.param, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        root = str(request.param.parent.parent)
        patch.setenv("PYTHONPATH", os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])]))
        patch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        client = nbclient.NotebookClient(
            notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(request.param.parent)}}
        )
        client.execute()
    return notebook


@pytest.mark.filterwarnings("default")  # Jupyter's own warnings are not ours to fail on
def test_notebooks_run(executed):
    """Every code cell was executed and none complained."""
    code = [cell for cell in executed.cells if cell.cell_type == "code"]

    assert all(cell.execution_count for cell in code)
    assert [output for cell in code for output in cell.outputs if output.get("name") == "stderr"] == []


@pytest.mark.filterwarnings("default")
def test_founding_case_is_told_with_its_outcomes_and_pictures(executed):
    """The reader sees the words of the verdict and two figures."""
    outputs = [output for cell in executed.cells if cell.cell_type == "code" for output in cell.outputs]

    text = "\n".join(output.data.get("text/plain", "") for output in outputs if "data" in output)
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]

    assert {"suppressed", "flooded", "learned", "proxy", "advertised"} <= set(re.findall(r"\w+", text))
    assert len(pictures) == 2
