"""A moment as people write it becomes exact ns since 1970; no float ever holds it."""

from datetime import UTC, datetime

from evpn_pcap.errors import OptionError

_NS_A_SECOND = 1_000_000_000


def moment_ns(text: str, option: str) -> int:
    """Return RFC 3339 or epoch seconds as exact ns since 1970. Raises OptionError, naming the option."""
    whole, dot, rest = text.strip().partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    zone = rest[len(digits) :]
    if len(digits) > 9 or (dot and not digits) or not (digits + "0").isascii():
        raise OptionError(f"{option} {text!r}: at most nine digits after the point")
    if whole.isascii() and whole.lstrip("-").isdigit() and whole.count("-") <= 1 and not zone:
        second = int(whole)
    else:
        second = _calendar_second(whole + zone, text, option)
    sign = -1 if whole.startswith("-") else 1
    found = second * _NS_A_SECOND + sign * int(digits.ljust(9, "0"))
    if not -(2**63) < found < 2**63 - 1:
        raise OptionError(f"{option} {text!r}: outside the years 1678 to 2262")
    return found


def _calendar_second(text: str, given: str, option: str) -> int:
    """Return a date and time without fraction as seconds since 1970; without a zone it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as cause:
        raise OptionError(f"{option} {given!r}: expected 2026-11-22T10:00:00Z or seconds since 1970") from cause
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    apart = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return apart.days * 86400 + apart.seconds
