"""The text of one file -> the prints in it: what a terminal showed, or the output of one command."""

import json
import re
from dataclasses import dataclass

from evpn_pcap.sources.snapshots import bgp_routes, evpn_tables, fdb, links, neighbours, settings
from evpn_pcap.sources.snapshots.prints import Form, Print

FORMS: tuple[Form, ...] = (
    bgp_routes.FORM, evpn_tables.ARP_CACHE_FORM, evpn_tables.MAC_TABLE_FORM, fdb.FORM, neighbours.FORM,
    links.LINK_FORM, links.ADDRESS_FORM, settings.FORM,
)  # fmt: skip
_PROMPT = re.compile(
    r"\s*(?:\S+@(?P<shell>[\w.-]+):[^#$]*[#$]|(?P<daemon>[A-Za-z][\w.-]*)(?:\([\w-]+\))?[#>])\s+(?P<command>[a-z].*?)\s*"
)
_ELIDED = re.compile(r"\s*(\.\.\.|…)\s*")


@dataclass(frozen=True, slots=True)
class Section:
    """One print, and the host that its prompt names."""

    print: Print
    host: str | None


def read_sections(text: str, file_name: str) -> list[Section]:
    """Return every print in a text that is of a known form; none where nothing is.

    `file_name` tells the form of a print that shows nothing at all.
    """
    stripped = text.strip()
    if stripped[:1] in ("{", "["):
        return _read_json(stripped, file_name)
    lines = [line.rstrip() for line in text.splitlines()]
    found = []
    command, host, begin = "", None, 0
    prompts = [(at, match) for at, line in enumerate(lines) if (match := _PROMPT.fullmatch(line))]
    ends = [*(at for at, _ in prompts), len(lines)]
    for number, end in enumerate(ends):
        if printed := _read_text(lines[begin:end], command, file_name if not prompts else ""):
            found.append(Section(printed, host))
        if number < len(prompts):
            match = prompts[number][1]
            command, host, begin = match["command"], match["shell"] or match["daemon"], end + 1
    return found


def _read_json(text: str, file_name: str) -> list[Section]:
    """Return the print in a JSON text; none where it is no JSON, or of no known form."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    form = next((form for form in FORMS if form.is_json(value)), None)
    if form is None and value in ({}, []):
        form = next((form for form in FORMS if form.file.search(file_name)), None)
    return [Section(form.read_json(value), None)] if form else []


def _read_text(lines: list[str], command: str, file_name: str) -> Print | None:
    """Return the print of some lines: its form is told by its command, else by its lines, else by the file's name."""
    told = [line for line in lines if not _ELIDED.fullmatch(line)]
    form = next((form for form in FORMS if form.command.match(command)), None)
    form = form or next((form for form in FORMS if any(form.line.match(line) for line in told)), None)
    if form is None and file_name and not any(line.strip() for line in told):
        form = next((form for form in FORMS if form.file.search(file_name)), None)
    return form.read_text(told, command) if form else None
