"""Where text and files go: standard output, standard error, and files that are whole or not there."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from evpn_pcap.errors import EvpnPcapError


def emit(text: str) -> None:
    """Write text to standard output; a reader that has seen enough (`| head`) is no error.

    Raises EvpnPcapError when standard output cannot take it (a full disk).
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
    except OSError as cause:
        _discard_stdout()
        raise EvpnPcapError(f"standard output: {cause.strerror or cause}") from cause


def say(words: str) -> None:
    """Write one line for people to standard error."""
    print(words, file=sys.stderr)  # noqa: T201  # the one place that talks to people


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that its name only ever shows the old or the complete new content.

    Raises EvpnPcapError, naming the file, when that cannot be done; nothing is left behind then.
    """
    with whole_file(path) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write; `path` shows it only once it is complete, and on any error what was there before.

    Raises EvpnPcapError, naming the file, where the system refuses (a full disk); nothing is left behind then.
    """
    target = Path(os.path.realpath(path))  # a symbolic link stays one
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and not target.is_file() and not target.is_dir():
            with target.open("wb") as file:  # a device or a pipe
                yield file
        else:
            with _replacing(target) as file:
                yield file
    except OSError as cause:
        raise EvpnPcapError(f"{path}: cannot be written: {cause.strerror or cause}") from cause


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """Yield a file beside the target; bring it to the disk, and rename it into place."""
    part = target.with_name(f".{os.urandom(8).hex()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _discard_stdout() -> None:
    """Point standard output at nothing, so that the interpreter's last flush finds no error."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
