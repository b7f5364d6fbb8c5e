"""[HOST[@TIME]=]PATH of --snapshot -> files of prints: whose they are, and when they were made."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evpn_pcap.errors import OptionError
from evpn_pcap.moments import moment_ns

OPTION = "--snapshot"
_KINDS = re.compile(r"(route|arp-cache|mac|neigh|fdb|link|addr|sysctl|ipv6).*\.(txt|json|log|out)$", re.IGNORECASE)
_STAMP = re.compile(
    r"@(?P<ns>\d{19})(?!\d)|@(?P<s>\d{10}(\.\d{1,9})?)(?!\d)"
    r"|@(?P<day>\d{4}-?\d\d-?\d\d)T(?P<hour>\d\d)[:-]?(?P<minute>\d\d)[:-]?(?P<second>\d\d)Z?"
)


@dataclass(frozen=True, slots=True)
class PrintFile:
    """One file of prints."""

    file: Path
    name: str
    host: str  # as the label or the file name says
    is_labelled: bool  # then a prompt in the text says nothing else
    captured_ns: int
    is_named: bool  # false: found in a folder, where other files may lie


def find_files(arguments: tuple[str, ...]) -> list[PrintFile]:
    """Return the files that these arguments stand for, each once, in order of name.

    A folder stands for the files in it, at any depth, that are named like prints. The time is the
    label's, else the one in the file name (`pve1@1795391896953687709-ip-neigh.txt`, seconds, or a date and time
    in UTC), else that of the file's last change. Raises OptionError where an argument matches nothing.
    """
    found: dict[Path, PrintFile] = {}
    for argument in arguments:
        for one in _finds(argument):
            earlier = found.setdefault(one.file.resolve(), one)
            if one.is_labelled and not earlier.is_labelled:
                found[one.file.resolve()] = one
    return sorted(found.values(), key=lambda one: (one.name, str(one.file)))


def _finds(argument: str) -> Iterator[PrintFile]:
    label, path = _split(argument)
    host, _, time = label.partition("@")
    stated_ns = moment_ns(time, f"{OPTION} {argument}:") if time else None
    root = Path(path)
    if not _exists(path):
        raise OptionError(f"{OPTION} {argument}: no such file or folder")
    files = list(_files(root)) if root.is_dir() else [root]
    if not files:
        raise OptionError(f"{OPTION} {argument}: no file in this folder is named like a print of routes or neighbours")
    for file in files:
        stamped_ns = stated_ns if stated_ns is not None else _stamp_ns(file)
        yield PrintFile(file, _storable(file.name), host or _host(file.name), bool(host), stamped_ns, file == root)


def _split(argument: str) -> tuple[str, str]:
    before, equals, path = argument.partition("=")
    if not equals or "/" in before or _exists(argument):
        return "", argument
    if not before or before.startswith("@") or before.endswith("@") or not path:
        raise OptionError(f"{OPTION} {argument}: a label is HOST=PATH or HOST@TIME=PATH, and no such file exists")
    return before, path


def _exists(path: str) -> bool:
    """Whether there is such a path; one too long or with a zero octet is none (pathlib would raise)."""
    return os.path.exists(path)  # noqa: PTH110


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        yield from (
            Path(folder, name) for name in sorted(names) if _KINDS.search(name) and Path(folder, name).is_file()
        )


def _host(name: str) -> str:
    """Return what stands before the first @, - or . of a file name."""
    return _storable(re.split(r"[@.-]", name, maxsplit=1)[0])


def _stamp_ns(file: Path) -> int:
    """Return the time in a file's name, or of its last change."""
    found = _STAMP.search(file.name)
    if found is None:
        try:
            return file.stat().st_mtime_ns
        except OSError as error:
            raise OptionError(f"{OPTION} {file}: cannot be read: {error.strerror or error}") from error
    if found["ns"]:
        return min(int(found["ns"]), 2**63 - 2)
    if found["s"]:
        return moment_ns(found["s"], OPTION)
    return moment_ns(f"{found['day']}T{found['hour']}:{found['minute']}:{found['second']}Z", f"{OPTION} {file.name}:")


def _storable(name: str) -> str:
    """Return a name with octets that are not UTF-8 written out: the tables' text holds nothing else."""
    return name.encode("utf-8", "backslashreplace").decode()
