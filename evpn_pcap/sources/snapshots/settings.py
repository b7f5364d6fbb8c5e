"""`sysctl net.ipv6.conf.EVPN1.disable_ipv6` -> Print: devices on which a family is switched off (procps)."""

import re
from typing import Any

from evpn_pcap.sources.snapshots.prints import Entry, Form, Print

NAME = "settings"
_LINE = re.compile(
    r"\s*net\.(?P<family>ipv[46])\.conf\.(?P<device>[^\s=]+)\.(?P<name>\w+)\s*=\s*(?P<value>-?\d{1,9})\s*"
)


def read_text(lines: list[str], command: str) -> Print:
    """Return one entry a line: its device, and `disable_ipv6=1` as flags."""
    del command  # whatever was asked for, an answer names what it is about
    told = [found for found in map(_LINE.fullmatch, lines) if found]
    entries: list[Entry] = [{"device": one["device"], "flags": f"{one['name']}={one['value']}"} for one in told]
    return Print(NAME, entries, is_whole=False)


def read_json(value: Any) -> Print:
    """Return nothing: sysctl prints no JSON."""
    del value
    return Print(NAME, [], is_whole=False)


FORM = Form(
    NAME,
    command=re.compile(r"sysctl\b"),
    line=_LINE,
    file=re.compile(r"sysctl"),
    is_json=lambda _: False,
    read_text=read_text,
    read_json=read_json,
)
