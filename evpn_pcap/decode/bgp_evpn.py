"""EVPN NLRI (AFI 25, SAFI 70) become columns, many at once (RFC 7432, 7.1-7.4; RFC 9135, 5; RFC 9136, 3.1)."""

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from evpn_pcap.addresses import esi_text, ip_text, ip_texts, rd_text
from evpn_pcap.table import Maybe, Words

HEADER_BYTES = 2  # route type, length
PATH_ID_BYTES = 4
READ = ""  # whole
RAW = "bgp.nlri.raw"  # well-formed as far as we look, of a type that we do not decode whole
MAC_BITS = 48
WORD_BYTES = 8
IP_BITS = {0: 0, 32: 4, 128: 16}  # IP length octet -> octets of the address
MAC_IP_IP_LENGTH_AT = 29  # in the body of a type-2 route

Fields = dict[str, np.ndarray | Words]

FIELDS = {
    "route_type": "UInt16",
    "rd": "str",
    "esi": "str",
    "ethernet_tag": "UInt32",
    "mac": "UInt64",
    "ip": "str",
    "prefix": "str",
    "gateway_ip": "str",
    "vni": "UInt32",
    "l3_vni": "UInt32",
    "esi_key": "str",
}


def split_nlri(octets: bytes, is_add_path: bool) -> tuple[list[bytes], tuple[int, ...] | None, int]:
    """Return the NLRI of an attribute in order, their path identifiers, and how many octets at its end are no NLRI.

    Path identifiers of four octets stand in front of each NLRI where they were negotiated (RFC 7911, 3).
    """
    found, path_ids = [], []
    extra = PATH_ID_BYTES if is_add_path else 0
    at, end = 0, len(octets)
    while at + extra + HEADER_BYTES <= end:
        start = at + extra
        stop = start + HEADER_BYTES + octets[start + 1]
        if stop > end:
            break
        found.append(octets[start:stop])
        path_ids.append(octets[at:start])
        at = stop
    return found, tuple(map(int.from_bytes, path_ids)) if is_add_path else None, end - at


def is_one_route(octets: bytes) -> bool:
    """Return whether the octets are one NLRI of a type and length that there are, the usual case."""
    return len(octets) > HEADER_BYTES and len(octets) == HEADER_BYTES + octets[1] and (octets[0], octets[1]) in _LENGTHS


def are_one_route(octets: np.ndarray) -> np.ndarray:
    """Return, for octets of equal length in rows, whether they are one NLRI of a type and length that there are."""
    length = octets.shape[1] - HEADER_BYTES
    types = [code for code, known in _LENGTHS if known == length]
    found: np.ndarray = (octets[:, 1] == length) & np.isin(octets[:, 0], types)
    return found


def has_path_ids(octets: bytes) -> bool:
    """Return whether NLRI can only be read with path identifiers in front of them, where nobody saw the OPEN."""
    return not _is_plausible(octets, is_add_path=False) and _is_plausible(octets, is_add_path=True)


def _is_plausible(octets: bytes, *, is_add_path: bool) -> bool:
    """Return whether the octets are nothing but NLRI of types and lengths that there are."""
    nlri, _, left_bytes = split_nlri(octets, is_add_path)
    return not left_bytes and all(
        one[0] in OTHER_TYPES or (one[0] in ROUTE_TYPES and one[1] in ROUTE_TYPES[one[0]].lengths) for one in nlri
    )


def decode_nlri(nlri: Sequence[bytes]) -> tuple[dict[str, Words | Maybe], np.ndarray]:
    """Return the columns of FIELDS, and a reason, for NLRI as split_nlri yields them, one row each.

    The reason is empty where a route of types 1 to 5 was read whole. Else it names the anomaly; of a
    malformed or other route only the type is read.
    """
    sizes = np.fromiter(map(len, nlri), np.int64, len(nlri))
    start = np.cumsum(sizes) - sizes
    octets = np.frombuffer(b"".join(nlri) + bytes(HEADER_BYTES + MAC_IP_IP_LENGTH_AT + 1), np.uint8)
    route_type = octets[start].astype(np.int64)
    columns = {name: _Column(kind, len(nlri)) for name, kind in FIELDS.items()}
    columns["route_type"].put(np.arange(len(nlri)), route_type)
    reason = _refusal(route_type, sizes - HEADER_BYTES, octets[start + HEADER_BYTES + MAC_IP_IP_LENGTH_AT])
    for code, (_, _, read, lengths) in ROUTE_TYPES.items():
        for length in lengths:
            rows = np.flatnonzero((route_type == code) & (sizes == length + HEADER_BYTES))
            if len(rows):
                body = sliding_window_view(octets, length + HEADER_BYTES)[start[rows]][:, HEADER_BYTES:]
                fields, reason[rows] = read(body)
                whole = reason[rows] == READ
                for name, values in fields.items():
                    taken = Words(values.codes[whole], values.words) if isinstance(values, Words) else values[whole]
                    columns[name].put(rows[whole], taken)
    return {name: one.values() for name, one in columns.items()}, reason


class _Column:
    """A nullable column, filled some rows at a time; of text each distinct word is kept once."""

    def __init__(self, kind: str, count: int) -> None:
        self._kind = kind
        self._values = np.full(count, -1, np.int64) if kind == "str" else np.zeros(count, kind.lower())
        self._is_missing = np.ones(count, bool)
        self._words: list[str] = []

    def put(self, rows: np.ndarray, values: np.ndarray | Words) -> None:
        if isinstance(values, Words):
            self._values[rows] = np.where(values.codes < 0, -1, values.codes + len(self._words))
            self._words += values.words
        else:
            self._values[rows] = values
            self._is_missing[rows] = False

    def values(self) -> Words | Maybe:
        return Words(self._values, self._words) if self._kind == "str" else Maybe(self._values, self._is_missing)


def _refusal(route_type: np.ndarray, length: np.ndarray, ip_bits: np.ndarray) -> np.ndarray:
    """Return why a route of this type and length cannot be read; overwritten where it can."""
    is_known = np.isin(route_type, list(ROUTE_TYPES))
    has_ip_length = (route_type == 2) & (length > MAC_IP_IP_LENGTH_AT)
    reason = np.select(
        [~is_known, has_ip_length & ~np.isin(ip_bits, list(IP_BITS))],
        [RAW, "bgp.nlri.ip-length"],
        "bgp.nlri.length",
    )
    return reason.astype(object)


def _number(octets: np.ndarray) -> np.ndarray:
    """Return unsigned integers of up to 8 octets in network order."""
    weights = 256 ** np.arange(octets.shape[1] - 1, -1, -1, dtype=np.uint64)
    numbers: np.ndarray = octets.astype(np.uint64) @ weights
    return numbers


def _texts(octets: np.ndarray, text: Callable[[bytes], str | None]) -> Words:
    """Return one text a row, or none, made once for each distinct value."""
    return _all_texts(octets, lambda values: list(map(text, values)))


def _all_texts(octets: np.ndarray, texts: Callable[[list[bytes]], Sequence[str | None]]) -> Words:
    """Return one text a row, or none, made of all distinct values at once."""
    width = octets.shape[1]
    padded = np.zeros((len(octets), -(-width // WORD_BYTES) * WORD_BYTES), np.uint8)
    padded[:, :width] = octets
    codes = np.zeros(len(octets), np.int64)
    for word in padded.view(np.uint64).T:
        words, word_codes = np.unique(word, return_inverse=True)
        codes = np.unique(codes * len(words) + word_codes, return_inverse=True)[1]
    first = np.unique(codes, return_index=True)[1]
    joined = octets[first].tobytes()
    told = texts([joined[at : at + width] for at in range(0, len(joined), width)])
    places = np.array([-1 if one is None else place for place, one in enumerate(told)], np.int64)
    return Words(places[codes], [one or "" for one in told])


def _ip_reason(ip_bits: np.ndarray, width: int) -> np.ndarray:
    """Return the anomaly where the IP length octet contradicts the octets that there are."""
    return np.where(ip_bits == 8 * width, READ, "bgp.nlri.ip-length").astype(object)


def _ethernet_ad(body: np.ndarray) -> tuple[Fields, np.ndarray]:
    """RD 8, ESI 10, Ethernet tag 4, label 3."""
    esi = _texts(body[:, 8:18], esi_text)
    fields: Fields = {
        "rd": _texts(body[:, :8], rd_text),
        "esi": esi,
        "esi_key": esi,
        "ethernet_tag": _number(body[:, 18:22]),
        "vni": _number(body[:, 22:25]),
    }
    return fields, np.full(len(body), READ, object)


def _mac_ip(body: np.ndarray) -> tuple[Fields, np.ndarray]:
    """RD 8, ESI 10, Ethernet tag 4, MAC length 1, MAC 6, IP length 1, IP 0/4/16, label 3, second label 0/3."""
    width = next(width for width in IP_BITS.values() if body.shape[1] - 33 - width in (0, 3))
    labels = body[:, 30 + width :]
    fields: Fields = {
        "rd": _texts(body[:, :8], rd_text),
        "esi": _texts(body[:, 8:18], esi_text),
        "ethernet_tag": _number(body[:, 18:22]),
        "mac": _number(body[:, 23:29]),
        "vni": _number(labels[:, :3]),
    }
    if width:
        fields["ip"] = _all_texts(body[:, 30 : 30 + width], ip_texts)
    if labels.shape[1] > 3:
        fields["l3_vni"] = _number(labels[:, 3:])
    reason = _ip_reason(body[:, MAC_IP_IP_LENGTH_AT], width)
    reason[body[:, 22] != MAC_BITS] = "bgp.nlri.mac-length"
    return fields, reason


def _imet(body: np.ndarray) -> tuple[Fields, np.ndarray]:
    """RD 8, Ethernet tag 4, IP length 1, originating router's IP 4/16."""
    width = body.shape[1] - 13
    fields: Fields = {
        "rd": _texts(body[:, :8], rd_text),
        "ethernet_tag": _number(body[:, 8:12]),
        "ip": _all_texts(body[:, 13:], ip_texts),
    }
    return fields, _ip_reason(body[:, 12], width)


def _ethernet_segment(body: np.ndarray) -> tuple[Fields, np.ndarray]:
    """RD 8, ESI 10, IP length 1, originating router's IP 4/16."""
    width = body.shape[1] - 19
    esi = _texts(body[:, 8:18], esi_text)
    fields: Fields = {
        "rd": _texts(body[:, :8], rd_text),
        "esi": esi,
        "esi_key": esi,
        "ip": _all_texts(body[:, 19:], ip_texts),
    }
    return fields, _ip_reason(body[:, 18], width)


def _ip_prefix(body: np.ndarray) -> tuple[Fields, np.ndarray]:
    """RD 8, ESI 10, Ethernet tag 4, prefix length 1, prefix 4/16, gateway IP 4/16, label 3."""
    width = 4 if body.shape[1] == 34 else 16
    fits = body[:, 22] <= 8 * width
    prefix = body[:, 22 : 23 + width].copy()
    prefix[~fits, 0] = 0  # refused below; the text must still be made
    fields: Fields = {
        "rd": _texts(body[:, :8], rd_text),
        "esi": _texts(body[:, 8:18], esi_text),
        "ethernet_tag": _number(body[:, 18:22]),
        "prefix": _texts(prefix, _prefix_text),
        "gateway_ip": _texts(body[:, 23 + width : 23 + 2 * width], _gateway_text),
        "l3_vni": _number(body[:, 23 + 2 * width :]),
    }
    return fields, np.where(fits, READ, "bgp.nlri.prefix-length").astype(object)


def _prefix_text(octets: bytes) -> str:
    """Return a length octet and an address as a prefix; bits beyond the length do not tell routes apart."""
    return str(ip_network((octets[1:], octets[0]), strict=False))


def _gateway_text(octets: bytes) -> str | None:
    return ip_text(octets) if any(octets) else None


class RouteType(NamedTuple):
    """A route type that is read whole: its name, where it is specified, its reader, the lengths it can have."""

    name: str
    source: str
    read: Callable[[np.ndarray], tuple[Fields, np.ndarray]]
    lengths: tuple[int, ...]


ROUTE_TYPES: dict[int, RouteType] = {
    1: RouteType("Ethernet A-D", "RFC 7432, 7.1", _ethernet_ad, (25,)),
    2: RouteType("MAC/IP", "RFC 7432, 7.2; RFC 9135, 5", _mac_ip, (33, 36, 37, 40, 49, 52)),
    3: RouteType("inclusive multicast", "RFC 7432, 7.3", _imet, (17, 29)),
    4: RouteType("Ethernet segment", "RFC 7432, 7.4", _ethernet_segment, (23, 35)),
    5: RouteType("IP prefix", "RFC 9136, 3.1", _ip_prefix, (34, 58)),
}
_LENGTHS = {(code, length) for code, one in ROUTE_TYPES.items() for length in one.lengths}
OTHER_TYPES = {  # kept raw: name, where it is specified
    6: ("selective multicast", "RFC 9251, 9.1"),
    7: ("multicast membership report synch", "RFC 9251, 9.2"),
    8: ("multicast leave synch", "RFC 9251, 9.3"),
    9: ("per-region I-PMSI A-D", "RFC 9572, 3"),
    10: ("S-PMSI A-D", "RFC 9572, 3"),
    11: ("leaf A-D", "RFC 9572, 3"),
}
