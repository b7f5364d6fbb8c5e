"""IP addresses of packets into codes, and codes into canonical text: text is made once an address."""

from collections.abc import Callable

import numpy as np

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.layout import MISSING
from evpn_pcap.decode.octets import Octets
from evpn_pcap.table import Words

IPV6 = 1 << 30  # codes from here on are of IPv6 addresses
_LOW = 0xFFFFFFFF  # of a pair: the code of the lower half


class Numbers:
    """Distinct numbers, each with a code counted from 0 in order of first use."""

    def __init__(self) -> None:
        self._sorted = np.zeros(0, np.uint64)
        self._codes = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._codes)

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """Return the code of each number, giving codes to new ones."""
        distinct, index = np.unique(numbers.astype(np.uint64), return_inverse=True)
        place = np.searchsorted(self._sorted, distinct)
        known = np.zeros(len(distinct), bool)
        inside = place < len(self._sorted)
        known[inside] = self._sorted[place[inside]] == distinct[inside]
        if not known.all():
            fresh = np.arange(len(self._codes), len(self._codes) + np.count_nonzero(~known))
            self._codes = np.insert(self._codes, place[~known], fresh)
            self._sorted = np.insert(self._sorted, place[~known], distinct[~known])
            place = np.searchsorted(self._sorted, distinct)
        return self._codes[place][index]

    def listed(self) -> np.ndarray:
        """Return the numbers in order of their codes."""
        return self._sorted[np.argsort(self._codes)]


class Addresses:
    """The distinct IP addresses of one capture, each with a code."""

    def __init__(self) -> None:
        self._four = Numbers()
        self._high, self._low, self._six = Numbers(), Numbers(), Numbers()  # halves, and pairs of their codes
        self._texts: tuple[str, ...] | None = None

    def ipv4(self, octets: Octets, at: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return the code of the IPv4 address at each offset, MISSING where not valid."""
        codes = np.full(len(at), MISSING, np.int32)
        codes[valid] = self._four.codes(octets.u32(at[valid]))
        return codes

    def ipv6(self, octets: Octets, at: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return the code of the IPv6 address at each offset, MISSING where not valid."""
        high, low = self._high.codes(octets.u64(at[valid])), self._low.codes(octets.u64(at[valid] + 8))
        codes = np.full(len(at), MISSING, np.int32)
        codes[valid] = self._six.codes(high << 32 | low) + IPV6
        return codes

    def of_header(self, octets: Octets, at: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes of source and destination of the IP header, of either version, at each offset."""
        is_6 = octets.u8(np.where(valid, at, 0)) >> 4 == 6
        four, six = valid & ~is_6, valid & is_6
        source, destination = self.ipv4(octets, at + 12, four), self.ipv4(octets, at + 16, four)
        if six.any():
            source = np.where(six, self.ipv6(octets, at + 8, six), source)
            destination = np.where(six, self.ipv6(octets, at + 24, six), destination)
        return source, destination

    def take(self, other: "Addresses") -> Callable[[np.ndarray], np.ndarray]:
        """Take the addresses of another, and return what makes codes of it into codes of this."""
        high, low = self._high.codes(other._high.listed()), self._low.codes(other._low.listed())
        pairs = other._six.listed().astype(np.int64)
        known = [self._four.codes(other._four.listed()), self._six.codes(high[pairs >> 32] << 32 | low[pairs & _LOW])]
        own = np.concatenate([known[0], known[1] + IPV6, [MISSING]]).astype(np.int32)
        return lambda codes: own[other._places(codes)]

    def text(self, codes: np.ndarray) -> Words:
        """Return codes as canonical text, missing where MISSING. To be asked for when all codes are given."""
        if self._texts is None:
            self._texts = tuple(map(ip_text, self._all()))
        return Words(self._places(codes), self._texts)

    def _places(self, codes: np.ndarray) -> np.ndarray:
        """Return where the address of each code stands among all; MISSING stays MISSING."""
        codes = codes.astype(np.int64)
        return np.where(codes >= IPV6, codes - IPV6 + len(self._four), codes)

    def _all(self) -> list[bytes]:
        """Return every address, those of IPv6 behind those of IPv4."""
        high, low = self._high.listed(), self._low.listed()
        pairs = self._six.listed().astype(np.int64)
        four = self._four.listed().astype(">u4").tobytes()
        six = np.stack([high[pairs >> 32], low[pairs & _LOW]], axis=1).astype(">u8").tobytes()
        parts = ((four, 4), (six, 16))
        return [octets[at : at + size] for octets, size in parts for at in range(0, len(octets), size)]
