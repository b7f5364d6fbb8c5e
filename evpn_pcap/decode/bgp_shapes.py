"""UPDATEs that differ in nothing but their NLRI are read once: what one of them told holds for all (RFC 4271, 4.3)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from evpn_pcap.decode.bgp_attributes import EXTENDED, MP_REACH, MP_UNREACH, Fields
from evpn_pcap.decode.bgp_errors import Treatment
from evpn_pcap.decode.bgp_evpn import are_one_route
from evpn_pcap.decode.bgp_messages import HEADER, UPDATE, Messages, Routes, Update, read_update, routes_of

KEPT_COUNT = 4096  # shapes; a speaker has few, and what changes with each message does not repeat
ALIKE_COUNT = 32  # messages of one length from which on it pays to compare them all at once
TRIED_COUNT = 16  # shapes looked for among messages of one length
CHUNK_COUNT = 65_536  # messages compared at once: some MB


class Shape(NamedTuple):
    """What an UPDATE tells beside its NLRI."""

    action: str
    attributes: int  # number of the set of attributes of announced routes; else 0
    unknown_count: int  # of extended communities


class Alike(NamedTuple):
    """Messages of one shape: their places in a list of messages, the one route of each."""

    shape: Shape
    place: np.ndarray
    nlri: list[bytes]


class Shapes:
    """Remembers sound UPDATEs with one list of EVPN routes, by every octet outside that list.

    Equal octets in front of the list, its length among them, and behind it: so each attribute begins and
    ends in the same places, and all but the list reads the same.
    """

    def __init__(self, number_of_fields: Callable[[Fields], int]) -> None:
        self._number_of_fields = number_of_fields
        self._places: dict[int, tuple[tuple[int, int], ...]] = {}  # length of the message -> where its list may lie
        self._shapes: dict[tuple[int, bytes], Shape] = {}

    def find(self, body: bytes, is_add_path: bool | None) -> tuple[Shape, Routes] | None:
        """Return the shape and routes of an UPDATE without its header, or None where it must be read whole."""
        if (known := self._known(body)) is None:
            return None
        shape, start, stop = known
        routes, troubles = routes_of(body[start:stop], is_add_path)
        return None if troubles else (shape, routes)

    def learn(self, body: bytes, update: Update) -> None:
        """Remember an UPDATE that was read whole, if nothing but its list of routes can differ in others."""
        announced, withdrawn = update.announced.nlri, update.withdrawn.nlri
        if update.treatment != Treatment.NONE or update.troubles or update.has_other_family:
            return
        if bool(announced) == bool(withdrawn):
            return
        if len(self._shapes) > KEPT_COUNT:
            self._shapes.clear()
            self._places.clear()
        start, stop = _place(body, MP_REACH if announced else MP_UNREACH)
        if start:
            known = self._places.get(len(body), ())
            self._places[len(body)] = known if (start, stop) in known else (*known, (start, stop))
            shape = Shape("withdraw", 0, 0)
            if update.fields:
                shape = Shape("advertise", self._number_of_fields(update.fields), update.fields["unknown_count"])
            self._shapes[start, body[:start] + body[stop:]] = shape

    def find_alike(self, octets: bytes, messages: Messages) -> Iterator[Alike]:
        """Yield UPDATEs that repeat others' octets outside the one route that each has.

        For streams without path identifiers. A message that is in none of them must be read by itself.
        """
        sizes = np.where(messages.kind == UPDATE, messages.stop - messages.start, 0)
        view = np.frombuffer(octets, np.uint8)
        for size in np.flatnonzero(np.bincount(sizes, minlength=1) >= ALIKE_COUNT).tolist():
            rows = np.flatnonzero(sizes == size) if size else np.zeros(0, np.int64)
            for first in range(0, len(rows), CHUNK_COUNT):
                chosen = rows[first : first + CHUNK_COUNT]
                bodies = sliding_window_view(view, size)[messages.start[chosen]][:, HEADER.size :]
                for shape, alike, nlri in self._groups(bodies):
                    yield Alike(shape, chosen[alike], nlri)

    def _groups(self, bodies: np.ndarray) -> Iterator[tuple[Shape, np.ndarray, list[bytes]]]:
        """Yield each shape among UPDATEs of one length, a row each: the rows that have it, their routes."""
        left = np.arange(len(bodies))
        for _ in range(TRIED_COUNT):
            if not len(left):
                return
            body = bodies[left[0]].tobytes()
            if self.find(body, is_add_path=False) is None:
                self.learn(body, read_update(body, is_add_path=False))
            if (known := self._known(body)) is None:
                left = left[1:]
                continue
            shape, start, stop = known
            rows = bodies[left]
            is_alike = (rows[:, :start] == rows[0, :start]).all(axis=1) & (rows[:, stop:] == rows[0, stop:]).all(axis=1)
            nlri = rows[:, start:stop]
            is_taken = is_alike & are_one_route(nlri)
            joined, width = nlri[is_taken].tobytes(), stop - start
            yield shape, left[is_taken], [joined[at : at + width] for at in range(0, len(joined), width)]
            left = left[~is_alike]

    def _known(self, body: bytes) -> tuple[Shape, int, int] | None:
        for start, stop in self._places.get(len(body), ()):
            if (shape := self._shapes.get((start, body[:start] + body[stop:]))) is not None:
                return shape, start, stop
        return None


def _place(body: bytes, wanted: int) -> tuple[int, int]:
    """Return where the NLRI of the only MP attribute lie in a sound UPDATE; (0, 0) where there are two."""
    at = 4 + int.from_bytes(body[:2])
    end = at + int.from_bytes(body[at - 2 : at])
    found = (0, 0)
    while at < end:
        value_at = at + (4 if body[at] & EXTENDED else 3)
        code, stop = body[at + 1], value_at + int.from_bytes(body[at + 2 : value_at])
        if code == wanted:
            found = (value_at + (5 + body[value_at + 3] if code == MP_REACH else 3), stop)
        elif code in (MP_REACH, MP_UNREACH):
            return (0, 0)
        at = stop
    return found
