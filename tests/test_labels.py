"""The laws of naming captures: which files, each once, whose they are; and of the fabric file."""

import gzip
import os
from pathlib import Path

import pytest

from evpn_pcap.errors import OptionError
from evpn_pcap.model import HostFacts, Options
from evpn_pcap.sources import find_sources, with_fabric

MAGIC = b"\xd4\xc3\xb2\xa1"


def make(folder, *names, octets=MAGIC):
    """Write small files, and their folders."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(octets)


def places(sources):
    return {source.name: (source.host, source.point) for source in sources}


# --- which files ---


def test_a_folder_gives_what_looks_like_captures(tmp_path):
    """Of a folder, files with a capture's name or first octets are taken, the rest is not looked at."""
    make(tmp_path, "a.pcap", "b.pcapng", "c.cap", "d.pcap12", "e.pcap.gz", "f.PCAP", octets=b"?")
    make(tmp_path, "by-its-octets")
    make(tmp_path, "truth.json", "notes.pcap.txt", octets=b"{}")
    os.mkfifo(tmp_path / "pipe.pcap")

    names = [source.name for source in find_sources([tmp_path], Options())]

    assert names == ["a.pcap", "b.pcapng", "by-its-octets", "c.cap", "d.pcap12", "e.pcap.gz", "f.PCAP"]


def test_a_named_file_is_always_taken(tmp_path):
    """A file that the user names is a capture, whatever it looks like."""
    make(tmp_path, "trace.bin", octets=b"?")

    assert places(find_sources([str(tmp_path / "trace.bin")], Options())) == {"trace.bin": ("trace", "")}


def test_globs(tmp_path):
    """A glob stands for the files and folders that match; ** goes down any number of folders."""
    make(tmp_path, "pve1-a.pcap", "pve2-a.pcap", "x/pve3-a.pcap", "x/y/pve4-a.pcap")

    direct = find_sources([f"{tmp_path}/pve*.pcap"], Options())
    deep = find_sources([f"{tmp_path}/**/pve*.pcap"], Options())

    assert [source.host for source in direct] == ["pve1", "pve2"]
    assert [source.host for source in deep] == ["pve1", "pve2", "pve3", "pve4"]


def test_each_file_once(tmp_path):
    """A file reached twice, by another way or a link, is one capture; ids count from 0 in order of names."""
    make(tmp_path, "b.pcap", "a.pcap")
    (tmp_path / "z.pcap").symlink_to(tmp_path / "a.pcap")

    sources = find_sources([tmp_path / "b.pcap", tmp_path, f"{tmp_path}/*.pcap", tmp_path / "." / "a.pcap"], Options())

    assert [(source.capture_id, source.name) for source in sources] == [(0, "a.pcap"), (1, "b.pcap")]


def test_order_of_arguments_changes_nothing(tmp_path):
    """The same files in another order are the same sources."""
    make(tmp_path, "b-1.pcap", "a-1.pcap", "c-1.pcap")
    files = [tmp_path / name for name in ("a-1.pcap", "c-1.pcap", "b-1.pcap")]

    assert find_sources(files, Options()) == find_sources(files[::-1], Options())


def test_names_are_the_shortest_that_differ(tmp_path):
    """A source's name is as much of the end of its path as makes it unique, and never absolute."""
    make(tmp_path, "run1/pve1/ens18.pcap", "run1/pve2/ens18.pcap", "run2/pve2/ens18.pcap", "run2/other.pcap")

    names = [source.name for source in find_sources([tmp_path], Options())]

    assert names == ["other.pcap", "pve1/ens18.pcap", "run1/pve2/ens18.pcap", "run2/pve2/ens18.pcap"]


@pytest.mark.parametrize("argument", ["absent.pcap", "no*match.pcap", "vm1=absent.pcap", "a\0b", "x" * 5000, ""])
def test_what_matches_nothing_is_an_error(tmp_path, argument, monkeypatch):
    """An argument that stands for no file is refused by name."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OptionError, match="no such file or folder"):
        find_sources([argument], Options())


def test_a_folder_without_captures_is_an_error(tmp_path):
    """A folder in which nothing looks like a capture is refused, and so is no argument at all."""
    make(tmp_path, "truth.json", octets=b"{}")

    with pytest.raises(OptionError, match="no file in this folder looks like a capture"):
        find_sources([tmp_path], Options())
    with pytest.raises(OptionError, match="no capture given"):
        find_sources([], Options())


# --- whose they are ---


@pytest.mark.parametrize(
    ("name", "host", "point"),
    [
        ("pve1-ens18.pcap", "pve1", "ens18"),
        ("pve1.ens18.pcap", "pve1", "ens18"),
        ("vm1.pcap", "vm1", ""),
        ("pve1-vxlan_EVPN1.pcapng", "pve1", "vxlan_EVPN1"),
        ("pve1-bond0.100.pcap", "pve1", "bond0.100"),
        ("pve1-ens18.pcap.gz", "pve1", "ens18"),
        ("pve1-ens18.pcapng.zst", "pve1", "ens18"),
        ("pve1-ens18.pcap0", "pve1", "ens18"),
        ("pve1-ens18.pcap17", "pve1", "ens18"),
        ("pve1-ens18_00001_20261122093000.pcapng", "pve1", "ens18"),
        ("pve1-ens18_20261122093000_00002.pcap", "pve1", "ens18"),
        ("pve1-ens18-20261122093000.pcap", "pve1", "ens18"),
        ("pve1-ens18_2026-11-22_09:30:00.pcap", "pve1", "ens18"),
        ("pve1-ens18.20261122T0930.pcap3", "pve1", "ens18"),
        ("pve1-ens18-2026-11-22.pcap", "pve1", "ens18"),
        ("pve1-ens18-1795375607.pcap", "pve1", "ens18"),
        ("vm1_00001_20261122093000.pcap", "vm1", ""),
        ("vm1-20261122.pcap", "vm1", ""),
        ("-odd.pcap", "-odd", ""),
        ("20261122.pcap", "20261122", ""),
        ("pve1-eth10.pcap", "pve1", "eth10"),
        ("capture", "capture", ""),
    ],
)
def test_host_and_point_from_the_name(tmp_path, name, host, point):
    """The name up to the first - or . is the host, the rest the point; what ring buffers add is neither."""
    make(tmp_path, name)

    assert places(find_sources([tmp_path / name], Options())) == {name: (host, point)}


def test_sub_folders_are_hosts(tmp_path):
    """In a folder of folders the sub-folder is the host and the stem the point."""
    make(
        tmp_path, "pve1/ens18.pcap", "pve1/day2/tap503i1.pcap", "pve2/pve2-any.pcap0", "vm1/vm1.pcap", "vm2-ens19.pcap"
    )

    assert places(find_sources([tmp_path], Options())) == {
        "ens18.pcap": ("pve1", "ens18"),
        "tap503i1.pcap": ("pve1", "tap503i1"),
        "pve2-any.pcap0": ("pve2", "any"),
        "vm1.pcap": ("vm1", ""),
        "vm2-ens19.pcap": ("vm2", "ens19"),
    }


def test_labels(tmp_path):
    """HOST=PATH and HOST:POINT=PATH say whose a capture is, for files, globs, folders and standard input."""
    make(
        tmp_path,
        "a.pcap",
        "b.pcap",
        "pve3-ens18.pcap",
        "dir/ens18.pcap",
        "dir/pve4-any.pcap",
        "ring.pcap0",
        "ring.pcap1",
    )

    sources = find_sources(
        [
            f"vm1={tmp_path}/a.pcap",
            f"pve2:any={tmp_path}/b.pcap",
            f"pve3={tmp_path}/pve3-ens18.pcap",
            f"pve4={tmp_path}/dir",
            f"pve5:tap1={tmp_path}/ring.*",
            "pve6:ens18=-",
        ],
        Options(),
    )

    assert places(sources) == {
        "a.pcap": ("vm1", ""),
        "b.pcap": ("pve2", "any"),
        "pve3-ens18.pcap": ("pve3", "ens18"),
        "ens18.pcap": ("pve4", "ens18"),
        "pve4-any.pcap": ("pve4", "any"),
        "ring.pcap0": ("pve5", "tap1"),
        "ring.pcap1": ("pve5", "tap1"),
        "-": ("pve6", "ens18"),
    }


def test_two_files_under_one_host_are_two_points(tmp_path):
    """Different files labelled with the same host alone keep apart by their stems; ring-buffer files stay one."""
    make(tmp_path, "a.pcap", "b.pcap", "ring.pcap0", "ring.pcap1")
    labelled = [f"vm1={tmp_path}/{name}" for name in ("a.pcap", "b.pcap")]
    ring = [f"vm2={tmp_path}/{name}" for name in ("ring.pcap0", "ring.pcap1")]

    assert [(s.host, s.point) for s in find_sources([*labelled, *ring], Options())] == [
        ("vm1", "a"),
        ("vm1", "b"),
        ("vm2", ""),
        ("vm2", ""),
    ]


def test_standard_input_is_one_capture():
    """A dash is standard input, once however often it is given."""
    (source,) = find_sources(["-", "-"], Options())

    assert (source.file, source.name, source.host, source.point) == (Path("-"), "-", "stdin", "")


def test_a_path_with_an_equals_sign_is_a_path(tmp_path, monkeypatch):
    """What exists under its whole name, or has a slash before the sign, is no label."""
    make(tmp_path, "a=b.pcap", "dir=x/vm1-c.pcap")
    monkeypatch.chdir(tmp_path)

    assert places(find_sources(["a=b.pcap", f"{tmp_path}/dir=x/*.pcap"], Options())) == {
        "a=b.pcap": ("a=b", ""),
        "vm1-c.pcap": ("vm1", "c"),
    }


@pytest.mark.parametrize("label", ["=a.pcap", "vm1:=a.pcap", ":x=a.pcap", "vm1="])
def test_labels_that_make_no_sense(tmp_path, label, monkeypatch):
    """A label without host, with an empty point, or without a path is refused."""
    make(tmp_path, "a.pcap")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(OptionError, match="a label is HOST=PATH or HOST:POINT=PATH"):
        find_sources([label], Options())


def test_labels_that_contradict_each_other(tmp_path):
    """One file under two labels is refused; a label beside no label wins."""
    make(tmp_path, "a.pcap")

    with pytest.raises(OptionError, match="labelled both vm1 and vm2:x"):
        find_sources([f"vm1={tmp_path}/a.pcap", f"vm2:x={tmp_path}/a.pcap"], Options())
    assert places(find_sources([tmp_path, f"vm1:x={tmp_path}/a.pcap"], Options())) == {"a.pcap": ("vm1", "x")}


def test_the_fabric_file_claims_captures(tmp_path):
    """Globs of the fabric file give files to hosts, by name or by the end of the path; labels count more."""
    make(tmp_path, "trace-1.pcap", "trace-2.pcap", "deep/er.pcap", "pve9-x.pcap")
    hosts = {
        "pve1": HostFacts(captures=("trace-1*", "deep/*.pcap"), interfaces={2: "ens18"}),
        "pve9": HostFacts(captures=("trace-2.pcap", "pve9-*")),
    }

    sources = find_sources([tmp_path, f"vm7:tap={tmp_path}/trace-2.pcap"], Options(hosts=hosts))

    assert places(sources) == {
        "trace-1.pcap": ("pve1", "trace-1"),
        "er.pcap": ("pve1", "er"),
        "trace-2.pcap": ("vm7", "tap"),
        "pve9-x.pcap": ("pve9", "x"),
    }
    assert {source.name: dict(source.interface_names) for source in sources}["er.pcap"] == {2: "ens18"}


def test_a_file_that_two_hosts_claim(tmp_path):
    """A capture that the fabric file gives to two hosts is refused."""
    make(tmp_path, "a.pcap")
    hosts = {"pve1": HostFacts(captures=("*",)), "pve2": HostFacts(captures=("a.*",))}

    with pytest.raises(OptionError, match="gives it to pve1 and to pve2"):
        find_sources([tmp_path], Options(hosts=hosts))


@pytest.mark.corpus
def test_real_captures_are_named_as_documented(captures_folder):
    """The folder of a real scenario gives its hosts, and the truth beside the captures is not one."""
    sources = find_sources([captures_folder / "arp-flooded"], Options())

    assert {source.host for source in sources} == {"pve1", "pve2", "pve3", "pve4", "vm1", "vm2"}
    assert len(sources) == 20


# --- the fabric file ---

FABRIC = """
gateways = ["10.2.1.1", "fe80:0::1"]
vxlan_ports = [4789, 6081]
[hosts.pve1]
role = "hypervisor"
vtep = "192.168.16.1"
interfaces = { 2 = "ens18", 7 = "tap503i1" }
captures = ["pve1*"]
[hosts.vm1]
role = "vm"
behind = "pve1"
"""


def test_fabric_file(tmp_path):
    """Everything that a fabric file states arrives in the options, and nothing else changes."""
    (tmp_path / "fabric.toml").write_text(FABRIC)
    before = Options(gateways=frozenset({"10.9.9.9"}), reference="pve1", vnis=frozenset({5}))

    options = with_fabric(before, tmp_path / "fabric.toml")

    assert options.gateways == {"10.2.1.1", "fe80::1", "10.9.9.9"}
    assert options.vxlan_ports == {4789, 6081}
    assert (options.reference, options.vnis) == ("pve1", {5})
    assert options.hosts == {
        "pve1": HostFacts("hypervisor", "192.168.16.1", None, {2: "ens18", 7: "tap503i1"}, ("pve1*",)),
        "vm1": HostFacts("vm", None, "pve1"),
    }


def test_empty_fabric_file(tmp_path):
    """An empty fabric file changes nothing."""
    (tmp_path / "fabric.toml").write_text("")

    assert with_fabric(Options(), tmp_path / "fabric.toml") == Options()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("gateway = []", "gateway: unknown key"),
        ("gateways = '10.0.0.1'", "gateways: a list expected"),
        ("gateways = ['10.0.0.300']", r"gateways\[0\]: an IP address expected"),
        ("gateways = [7]", r"gateways\[0\]: text expected"),
        ("vxlan_ports = []", "vxlan_ports: at least one"),
        ("vxlan_ports = [0]", r"vxlan_ports\[0\]: a whole number from 1 to 65535"),
        ("vxlan_ports = [true]", r"vxlan_ports\[0\]: a whole number"),
        ("vxlan_ports = [4789.0]", r"vxlan_ports\[0\]: a whole number"),
        ("hosts = 3", r"hosts: tables \[hosts.NAME\] expected"),
        ("hosts.vm1 = 3", "hosts.vm1: a table expected"),
        ("[hosts.vm1]\nrolle = 'vm'", "hosts.vm1.rolle: unknown key"),
        ("[hosts.vm1]\nrole = 'router'", "hosts.vm1.role: one of vm, hypervisor expected"),
        ("[hosts.vm1]\nrole = ['vm']", "hosts.vm1.role: one of vm, hypervisor expected"),
        ("[hosts.vm1]\nvtep = 'x'", "hosts.vm1.vtep: an IP address expected"),
        ("[hosts.vm1]\nbehind = ''", "hosts.vm1.behind: text expected"),
        ("[hosts.vm1]\nbehind = 'vm1'", "hosts.vm1.behind: another hypervisor expected"),
        ("[hosts.vm1]\nbehind = 'vm2'\n[hosts.vm2]\nrole = 'vm'", "hosts.vm1.behind: another hypervisor expected"),
        ("[hosts.vm1]\ninterfaces = []", "hosts.vm1.interfaces: a table"),
        ("[hosts.vm1]\ninterfaces = { eth0 = 'x' }", "hosts.vm1.interfaces.eth0: an interface index"),
        ("[hosts.vm1]\ninterfaces = { 9999999999 = 'x' }", "hosts.vm1.interfaces.9999999999: a whole number"),
        ("[hosts.vm1]\ninterfaces = { 2 = 3 }", "hosts.vm1.interfaces.2: text expected"),
        ("[hosts.vm1]\ncaptures = 'x'", "hosts.vm1.captures: a list expected"),
        ("gateways = [", "is not TOML"),
        ("gateways = '\udcff'", "is not TOML"),
    ],
)
def test_fabric_files_that_make_no_sense(tmp_path, text, key):
    """Whatever is wrong in a fabric file, the message names the file and the key."""
    file = tmp_path / "fabric.toml"
    file.write_text(text, errors="surrogateescape")

    with pytest.raises(OptionError, match=rf"fabric\.toml: {key}"):
        with_fabric(Options(), file)


def test_fabric_file_that_is_not_there(tmp_path):
    """A fabric file that cannot be read is refused by name."""
    with pytest.raises(OptionError, match=r"absent\.toml: cannot be read"):
        with_fabric(Options(), tmp_path / "absent.toml")


def test_named_gzip_without_extension(tmp_path):
    """A compressed capture that hides in a folder under any other name is found when it is named."""
    (tmp_path / "odd").write_bytes(gzip.compress(MAGIC))

    assert [source.name for source in find_sources([tmp_path / "odd"], Options())] == ["odd"]
