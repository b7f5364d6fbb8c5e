"""Parts of one capture file, decoded by several processes, into what one reading of the whole file gives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from evpn_pcap.decode.emitted import Emitted
from evpn_pcap.model import Decoded, FileEnd, Options, Source


@dataclass(frozen=True, slots=True)
class Part:
    """What a part of a capture file became: its frames are numbered from its own first."""

    source: Source
    emitted: Emitted
    end: FileEnd


def join_parts(parts: Sequence[Part], options: Options) -> Decoded | None:
    """Return what one reading of the whole file gives, value by value; None where its parts do not tell that.

    `parts` are all parts of one file, in its order, decoded with these options. They tell it where
    they meet, nothing in the file is odd but its tail (how a broken record is passed depends on what
    else is in memory), and the sample's seconds are whole. Otherwise the file is to be read in one piece.
    """
    last = parts[-1]
    if not all(_meet(one, other) for one, other in pairwise(parts)) or not _is_sound(last.end):
        return None
    whole = Emitted(parts[0].source, options)
    if not whole.take([one.emitted for one in parts]):
        return None
    return whole.decoded(_numbered_after(whole.packet_count - last.emitted.packet_count, last.end))


def _meet(one: Part, other: Part) -> bool:
    """Return whether the walk over the records of a part ended exactly on the first record of the next.

    The first part begins at the file's first record. So each part that meets the next shows that
    it, too, begins at a record that a walk from the first one comes by.
    """
    is_whole = not one.end.is_truncated and not one.end.notes
    return is_whole and one.end.byte_count == one.source.end_bytes == other.source.begin_bytes


def _is_sound(end: FileEnd) -> bool:
    return all(note.name == "cut-tail" for note in end.notes)


def _numbered_after(before: int, end: FileEnd) -> FileEnd:
    """Return the end of a file whose last part follows so many frames."""
    notes = [
        note if note.frame_number is None else replace(note, frame_number=before + note.frame_number)
        for note in end.notes
    ]
    return replace(end, notes=tuple(notes))
