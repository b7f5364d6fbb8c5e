"""Analysis -> a first fabric.toml: what the captures show of hosts, VTEPs and gateways, to be read and completed."""

import json
import re
from collections.abc import Iterator

import pandas as pd

from evpn_pcap.model import Analysis, Role

HEAD = """\
# What these captures show, written by evpn-pcap fabric: read it, correct it, complete it, then give it with --fabric.
# Nothing here is assumed: what the captures do not prove is a comment.
"""


def render(analysis: Analysis) -> str:
    """Return the text of a fabric file that `--fabric` reads back as the same facts."""
    lines = [HEAD, f"gateways = {_list(_gateways(analysis))}", f"vxlan_ports = {sorted(analysis.options.vxlan_ports)}"]
    points = analysis.tables.points
    behind = _placed(analysis)
    for host in sorted(set(points["host"])):
        lines += ["", f"[hosts.{_key(host)}]", *_host(analysis, points[points["host"] == host], behind.get(host))]
    return "\n".join(lines) + "\n"


def _gateways(analysis: Analysis) -> list[str]:
    """Return the addresses that VTEPs were asked for and answered for as their own."""
    rows = analysis.tables.resolutions
    return sorted({*rows.loc[rows["outcome"] == "learned", "target_ip"].dropna(), *analysis.options.gateways})


def _placed(analysis: Analysis) -> dict[str, str]:
    """Return, by machine, the one host whose VTEP its own requests entered, where no verdict had to assume it."""
    points, rows = analysis.tables.points, analysis.tables.resolutions
    vteps = points.dropna(subset="vtep_ip").drop_duplicates("vtep_ip").set_index("vtep_ip")["host"]
    proven = rows[rows["assumptions"].map(len) == 0].dropna(subset=["requester_host", "ingress_vtep"])
    hosts = proven["ingress_vtep"].map(vteps)
    found = hosts.groupby(proven["requester_host"]).agg(["nunique", "first"])
    return {str(machine): str(host) for machine, host in found.loc[found["nunique"] == 1, "first"].items()}


def _host(analysis: Analysis, points: pd.DataFrame, behind: str | None) -> Iterator[str]:
    """Yield the lines of one host."""
    stated = analysis.options.hosts.get(str(points["host"].iloc[0]))
    is_hypervisor = points["is_hypervisor"].fillna(value=False).any()
    is_machine = (points["role"] == Role.VM).any()
    yield 'role = "hypervisor"' if is_hypervisor else 'role = "vm"' if is_machine else '# role = "hypervisor" or "vm"'
    vteps = sorted(set(points["vtep_ip"].dropna()))
    if is_hypervisor:
        yield f"vtep = {_text(vteps[0])}" if len(vteps) == 1 else '# vtep = "its VTEP address"'
    elif is_machine:
        yield f"behind = {_text(behind)}" if behind else '# behind = "the hypervisor that it runs on"'
    names = dict(stated.interfaces) if stated else {}
    several = points[points["role"] == Role.ANY] if names else points[points["interface_index"] > 0]
    if names:
        inside = ", ".join(f"{index} = {_text(name)}" for index, name in sorted(names.items()))
        yield f"interfaces = {{ {inside} }}"
    elif len(several):
        yield '# interfaces = { index = "name" } of `-i any` captures, as `ip -o link` on the host numbers them; seen:'
        for index, role in sorted(set(zip(several["interface_index"], several["role"], strict=True))):
            yield f"#   {index}: {role}"


def _list(values: list[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    """Return a TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)
