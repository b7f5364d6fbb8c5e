"""What one print of a table became, and how a sort of print is recognized: the forms register themselves as values."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

Entry = dict[str, Any]  # values of SNAPSHOTS columns; those that are not named are missing

# A command that shows a part of its table only: `ip neigh show dev EVPN1`, `bridge fdb | grep bc:24`.
_NARROWS = re.compile(r"\||\s(dev|to|nud|br|brport|vlan|vni|rd|neighbors|self-originate|esi|proto)\s(?!all\b)")


@dataclass(frozen=True, slots=True)
class Print:
    """One print of one table."""

    form: str
    entries: list[Entry]
    is_whole: bool  # every entry of the table is there (of routes: every MAC/IP route)
    speaker_ip: str | None = None  # the router ID, where the print says it
    unread: list[str] = field(default_factory=list)  # lines that should be entries and were not understood


@dataclass(frozen=True, slots=True)
class Form:
    """One sort of print: what it is called, how its command, text, JSON and file name look, and who reads it."""

    name: str
    command: re.Pattern[str]
    line: re.Pattern[str]  # a line that only this form has
    file: re.Pattern[str]  # for a print that shows nothing, and so does not tell what it is
    is_json: Callable[[Any], bool]
    read_text: Callable[[list[str], str], Print]  # lines, and the command if it is known
    read_json: Callable[[Any], Print]


def is_whole_command(command: str) -> bool:
    """Return whether a command shows its whole table; one that is not known is taken to."""
    return not _NARROWS.search(command)


def ip_or_none(text: Any) -> str | None:
    """Return an IP address in canonical form, or None where the text is none."""
    try:
        return str(ip_address(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def mac_or_none(text: Any) -> int | None:
    """Return a MAC as a number, or None where the text is none."""
    is_mac = isinstance(text, str) and re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text)
    return int(text.replace(":", ""), 16) if is_mac else None


def number_or_none(text: Any, bits: int) -> int | None:
    """Return a number of so many bits, or None where the text or value is none."""
    if isinstance(text, bool) or not isinstance(text, int | str) or not str(text).isascii() or len(str(text)) > 20:
        return None
    found = int(text) if str(text).isdigit() else None
    return found if found is not None and found < 1 << bits else None


def dicts_of(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a JSON list; what else is in it is left out."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def has_keys(value: Any, *keys: str) -> bool:
    """Return whether a JSON value is a list of objects, and the first has these keys."""
    return bool(dicts_of(value)) and all(key in dicts_of(value)[0] for key in keys)
