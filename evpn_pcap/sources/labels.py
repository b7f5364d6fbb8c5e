"""What the user named (files, folders, globs, `-`, HOST[:POINT]=PATH) becomes Sources: which files,
and whose captures they are, made where."""

import glob
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from evpn_pcap.errors import OptionError
from evpn_pcap.model import Options, Source

STANDARD_INPUT = "-"
STANDARD_INPUT_HOST = "stdin"
MAGICS = frozenset(
    bytes.fromhex(magic)
    for magic in ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "a1b2cd34", "34cdb2a1", "0a0d0d0a")
)
# name.pcap, and what tcpdump -C appends to it: name.pcap1
_CAPTURE_NAME = re.compile(r"(?P<stem>.+)\.(pcap|pcapng|cap|dmp)\d*(\.(gz|zst))?", re.IGNORECASE)
_RING_SUFFIX = re.compile(
    r"""(?<=.)(
        _\d{5,}_\d{14}                     # dumpcap -b: name_00001_20261122093000
      | _\d{14}_\d{5,}                     # dumpcap -b nametimenum:2
      | [-_.]\d{4}-?\d\d-?\d\d             # tcpdump -G: a date,
        ([-_.T]?\d\d[-_:.]?\d\d([-_:.]?\d\d)?)?  # perhaps a time of day,
        (Z|[-+]\d{4})?                     # perhaps a zone
      | [-_.]1\d{9}                        # tcpdump -G: %s
    )$""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Find:
    """One file that an argument stands for."""

    file: Path
    label: tuple[str, str] | None = None  # host and point, as the user stated them
    folder_host: str = ""  # the sub-folder it lies in


def find_sources(arguments: Sequence[str | Path], options: Options) -> tuple[Source, ...]:
    """Return the captures that these arguments stand for, each file once, sorted by name.

    A file that is named is always taken; of a folder those that look like captures, by name or
    by their first octets. Host and point come from a label, else from the fabric file's globs, else
    from the sub-folder of a folder, else from the file name up to its first `-` or `.`. Numbers and times that
    ring buffers add to a name say nothing about either. Raises OptionError where an argument
    matches nothing or two labels contradict each other.
    """
    if not arguments:
        raise OptionError("no capture given: name a file, a folder, a glob, or - for standard input")
    finds = _once_each([find for argument in arguments for find in _finds(str(argument))])
    names = _shortest_names([find.file for find in finds])
    places = _distinct_points([(*_place(find, options), find) for find in finds])
    sources = [
        Source(0, find.file, _storable(name), _storable(host), _storable(point), _interface_names(options, host))
        for name, (host, point, find) in zip(names, places, strict=True)
    ]
    ordered = sorted(sources, key=lambda source: source.name)
    return tuple(replace(source, capture_id=index) for index, source in enumerate(ordered))


def _storable(name: str) -> str:
    """Return a name with octets that are not UTF-8 written out: the tables' text holds nothing else."""
    return name.encode("utf-8", "backslashreplace").decode()


def _finds(argument: str) -> Iterator[_Find]:
    """Yield the files that one argument stands for."""
    label, path = _split_label(argument)
    if path == STANDARD_INPUT:
        yield _Find(Path(path), label)
        return
    matches = [path] if _exists(path) else sorted(glob.glob(path, recursive=True))  # noqa: PTH207  # Path has no such
    if not matches:
        raise OptionError(f"{argument}: no such file or folder, and nothing that matches")
    files = [find for match in matches for find in _files(Path(match))]
    if not files:
        raise OptionError(f"{argument}: no file in this folder looks like a capture")
    is_one = len(files) == 1 and len(matches) == 1 and Path(path).is_file()
    for find in files:
        if label is not None and not label[1] and not is_one:
            yield replace(find, folder_host=label[0], label=None)  # a folder of one host: the names say the points
        else:
            yield replace(find, label=label)


def _exists(path: str) -> bool:
    """Whether there is such a path; one too long or with a zero octet is none (pathlib would raise)."""
    return os.path.exists(path)  # noqa: PTH110


def _split_label(argument: str) -> tuple[tuple[str, str] | None, str]:
    """Return label and path of HOST[:POINT]=PATH; a path that exists is a path, whatever is in it."""
    before, equals, path = argument.partition("=")
    if not equals or "/" in before or _exists(argument):
        return None, argument
    host, colon, point = before.partition(":")
    if not host or not path or (colon and not point):
        raise OptionError(f"{argument}: a label is HOST=PATH or HOST:POINT=PATH, and no such file exists")
    return (host, point), path


def _files(path: Path) -> Iterator[_Find]:
    """Yield a file, or of a folder every file that looks like a capture, at any depth."""
    if not path.is_dir():
        yield _Find(path)
        return
    for folder, folders, names in os.walk(path, onerror=_cannot_list):
        folders.sort()
        inside = Path(folder).relative_to(path).parts
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and (_CAPTURE_NAME.fullmatch(name) or _begins_like_capture(file)):
                yield _Find(file, folder_host=inside[0] if inside else "")


def _cannot_list(error: OSError) -> None:
    raise OptionError(f"{error.filename}: this folder cannot be read: {error.strerror}") from error


def _begins_like_capture(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(4) in MAGICS
    except OSError:
        return False  # nothing says that it is one


def _once_each(finds: list[_Find]) -> list[_Find]:
    """Return each file once; a label counts more than none."""
    chosen: dict[Path, _Find] = {}
    for find in finds:
        key = find.file.resolve() if str(find.file) != STANDARD_INPUT else find.file
        earlier = chosen.setdefault(key, find)
        if earlier.label and find.label and earlier.label != find.label:
            one, other = (":".join(filter(None, label)) for label in (earlier.label, find.label))
            raise OptionError(f"{find.file}: labelled both {one} and {other}")
        if find.label and not earlier.label:
            chosen[key] = find
    return list(chosen.values())


def _place(find: _Find, options: Options) -> tuple[str, str]:
    """Return host and point of a file."""
    if find.label is not None and find.label[1]:
        return find.label
    if str(find.file) == STANDARD_INPUT:
        return (find.label[0] if find.label else STANDARD_INPUT_HOST), ""
    stem = _stem(find.file.name)
    if find.label is not None:
        host, point = _split_stem(stem)
        return find.label[0], point if host == find.label[0] else ""
    if host := _fabric_host(find.file, options) or find.folder_host:
        return host, _point_at(host, stem)
    return _split_stem(stem)


def _stem(name: str) -> str:
    """Return a file name without its suffixes and without what ring buffers add."""
    match = _CAPTURE_NAME.fullmatch(name)
    stem = match["stem"] if match else Path(name).stem
    return _RING_SUFFIX.sub("", stem)


def _split_stem(stem: str) -> tuple[str, str]:
    """Return what is before the first `-` or `.`, and the rest."""
    match = re.fullmatch(r"([^-.]+)[-.](.*)", stem, re.DOTALL)
    return (match[1], match[2]) if match else (stem, "")


def _point_at(host: str, stem: str) -> str:
    """Return the point that a stem says, where the host is known without it."""
    if stem == host:
        return ""
    return stem[len(host) + 1 :] if stem.startswith((f"{host}-", f"{host}.")) else stem


def _fabric_host(file: Path, options: Options) -> str | None:
    """Return the host that claims this file in the fabric file."""
    path = file.absolute().as_posix()
    claimants = [
        host
        for host, facts in options.hosts.items()
        if any(fnmatchcase(path, f"*/{pattern.removeprefix('/')}") for pattern in facts.captures)
    ]
    if len(claimants) > 1:
        raise OptionError(f"{file}: the fabric file gives it to {' and to '.join(sorted(claimants))}")
    return claimants[0] if claimants else None


def _distinct_points(places: list[tuple[str, str, _Find]]) -> list[tuple[str, str, _Find]]:
    """Return the places, where files labelled with a host alone get their stems as points if they are several."""
    stems: dict[str, set[str]] = defaultdict(set)
    for host, point, find in places:
        if find.label and not point:
            stems[host].add(_stem(find.file.name))
    return [
        (host, point or (_stem(find.file.name) if find.label and len(stems[host]) > 1 else ""), find)
        for host, point, find in places
    ]


def _interface_names(options: Options, host: str) -> dict[int, str]:
    facts = options.hosts.get(host)
    return dict(facts.interfaces) if facts else {}


def _shortest_names(files: list[Path]) -> list[str]:
    """Return for each file the shortest end of its path that no other file shares."""
    paths = [(STANDARD_INPUT,) if str(file) == STANDARD_INPUT else file.absolute().parts[1:] for file in files]
    longest = max(len(path) for path in paths)
    counts = Counter(path[-length:] for path in paths for length in range(1, min(longest, len(path)) + 1))
    return [
        "/".join(next((path[-n:] for n in range(1, len(path) + 1) if counts[path[-n:]] == 1), path)) for path in paths
    ]
