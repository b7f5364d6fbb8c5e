"""IP addresses of packets into codes, and codes into canonical text: text is made once an address."""

import numpy as np
import pandas as pd

from evpn_pcap.addresses import ip_text
from evpn_pcap.decode.layout import MISSING
from evpn_pcap.decode.octets import Octets


class Addresses:
    """The distinct IP addresses of one capture, each with a code: its element in `texts`."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._codes: dict[bytes, int] = {}

    def ipv4(self, octets: Octets, at: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return the code of the IPv4 address at each offset, MISSING where not valid."""
        distinct, index = np.unique(octets.u32(at[valid]), return_inverse=True)
        return self._spread(valid, [int(number).to_bytes(4) for number in distinct], index)

    def ipv6(self, octets: Octets, at: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """Return the code of the IPv6 address at each offset, MISSING where not valid."""
        high, high_index = np.unique(octets.u64(at[valid]), return_inverse=True)
        low, low_index = np.unique(octets.u64(at[valid] + 8), return_inverse=True)
        pairs, index = np.unique(high_index * max(1, len(low)) + low_index, return_inverse=True)
        keys = [int(high[pair // len(low)]).to_bytes(8) + int(low[pair % len(low)]).to_bytes(8) for pair in pairs]
        return self._spread(valid, keys, index)

    def of_header(self, octets: Octets, at: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes of source and destination of the IP header, of either version, at each offset."""
        safe = np.where(valid, at, 0)
        is_6 = octets.u8(safe) >> 4 == 6
        four, six = valid & ~is_6, valid & is_6
        source, destination = self.ipv4(octets, safe + 12, four), self.ipv4(octets, safe + 16, four)
        if six.any():
            source = np.where(six, self.ipv6(octets, safe + 8, six), source)
            destination = np.where(six, self.ipv6(octets, safe + 24, six), destination)
        return source, destination

    def text(self, codes: np.ndarray) -> object:
        """Return the canonical text of codes as a column, missing where MISSING."""
        return pd.array(self.texts, dtype="str").take(codes, allow_fill=True)

    def _spread(self, valid: np.ndarray, distinct: list[bytes], index: np.ndarray) -> np.ndarray:
        codes = np.full(len(valid), MISSING, np.int32)
        codes[valid] = np.array([self._code(octets) for octets in distinct], np.int32)[index]
        return codes

    def _code(self, octets: bytes) -> int:
        code = self._codes.setdefault(octets, len(self._codes))
        if code == len(self.texts):
            self.texts.append(ip_text(octets))
        return code
