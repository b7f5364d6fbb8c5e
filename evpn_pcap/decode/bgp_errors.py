"""What is wrong with a BGP message becomes a typed trouble with the treatment that RFC 7606 asks for."""

from enum import IntEnum
from typing import NamedTuple


class Treatment(IntEnum):
    """What a receiver does with a malformed message, the weakest first; the strongest of a message counts (3 h)."""

    NONE = 0
    DISCARD = 1  # the attribute is left out, the routes stay
    WITHDRAW = 2  # the announced routes count as withdrawn
    RESET = 3  # a NOTIFICATION ends the session: nothing of the message is taken


WORDS = {
    Treatment.NONE: None,
    Treatment.DISCARD: "attribute-discard",
    Treatment.WITHDRAW: "treat-as-withdraw",
    Treatment.RESET: "session-reset",
}


class Trouble(NamedTuple):
    """One oddity of a message: the anomaly's name, what was found, what is to be done, the octets in question."""

    name: str
    detail: str
    treatment: Treatment = Treatment.NONE
    octets: bytes = b""

    def told(self) -> str:
        """Return the anomaly's detail."""
        parts = [self.detail, WORDS[self.treatment], f"octets {self.octets.hex()}" if self.octets else ""]
        return "; ".join(part for part in parts if part)


Troubles = tuple[Trouble, ...]


def strongest(troubles: Troubles) -> Treatment:
    """Return the treatment of a message with these troubles."""
    return max((one.treatment for one in troubles), default=Treatment.NONE)
