"""A fabric file (TOML) becomes Options: what the captures' names and contents cannot say."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from evpn_pcap.errors import OptionError
from evpn_pcap.model import HostFacts, Options

ROLES = ("vm", "hypervisor")
GREATEST_PORT = 65_535
GREATEST_INTERFACE_INDEX = 2**31 - 1


def with_fabric(options: Options, path: Path) -> Options:
    """Return the options with what the fabric file states added; ports that it names replace the default ones.

    Raises OptionError, naming file and key, for a file that cannot be read, is not TOML, or has an
    unknown key, a value of the wrong type, an unknown role or an invalid address.
    """
    try:
        stated = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: is not TOML: {error}") from error
    facts = _checked(stated, _FABRIC, f"{path}: ")
    hosts = {**options.hosts, **facts.get("hosts", {})}
    for name, host in hosts.items():
        if host.behind is not None and (host.behind == name or hosts.get(host.behind, HostFacts()).role == "vm"):
            raise OptionError(f"{path}: hosts.{name}.behind: another hypervisor expected, {host.behind} found")
    return replace(
        options,
        gateways=options.gateways | facts.get("gateways", frozenset()),
        vxlan_ports=facts.get("vxlan_ports", options.vxlan_ports),
        hosts=hosts,
        snapshots=(*options.snapshots, *(_beside(path, one) for one in facts.get("snapshots", ()))),
    )


def _beside(fabric: Path, argument: str) -> str:
    """Return [HOST[@TIME]=]PATH with the path as seen from the fabric file's folder."""
    label, equals, path = argument.rpartition("=")
    return f"{label}{equals}{fabric.parent / path}"


Check = Callable[[Any, str], Any]  # a TOML value and the key it stands under, to the value of the model


def _checked(table: Any, checks: Mapping[str, Check], key: str) -> dict[str, Any]:
    """Return the table with every value checked. `key` ends where the next key is appended."""
    if not isinstance(table, dict):
        raise OptionError(f"{key.rstrip('.')}: a table expected, {table!r} found")
    for name in table:
        if name not in checks:
            raise OptionError(f"{key}{name}: unknown key; known here: {', '.join(checks)}")
    return {name: checks[name](value, f"{key}{name}") for name, value in table.items()}


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise OptionError(f"{key}: text expected, {value!r} found")
    return value


def _role(value: Any, key: str) -> str:
    if value not in ROLES:
        raise OptionError(f"{key}: one of {', '.join(ROLES)} expected, {value!r} found")
    return str(value)


def _address(value: Any, key: str) -> str:
    try:
        return str(ip_address(_text(value, key)))
    except ValueError as error:
        raise OptionError(f"{key}: an IP address expected, {value!r} found") from error


def _number(value: Any, key: str, least: int, greatest: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= greatest:
        raise OptionError(f"{key}: a whole number from {least} to {greatest} expected, {value!r} found")
    return value


def _port(value: Any, key: str) -> int:
    return _number(value, key, 1, GREATEST_PORT)


def _list_of(check: Check, make: Callable[[list[Any]], Any]) -> Check:
    """Return the check of a list whose elements pass `check`."""

    def checked(value: Any, key: str) -> Any:
        if not isinstance(value, list):
            raise OptionError(f"{key}: a list expected, {value!r} found")
        return make([check(one, f"{key}[{index}]") for index, one in enumerate(value)])

    return checked


def _ports(value: Any, key: str) -> frozenset[int]:
    ports: frozenset[int] = _list_of(_port, frozenset)(value, key)
    if not ports:
        raise OptionError(f"{key}: at least one port expected")
    return ports


def _interfaces(value: Any, key: str) -> dict[int, str]:
    if not isinstance(value, dict):
        raise OptionError(f"{key}: a table of index = name expected, {value!r} found")
    names: dict[int, str] = {}
    for index, name in value.items():
        if not (index.isascii() and index.isdecimal() and len(index) <= 10):
            raise OptionError(f"{key}.{index}: an interface index expected as key")
        names[_number(int(index), f"{key}.{index}", 0, GREATEST_INTERFACE_INDEX)] = _text(name, f"{key}.{index}")
    return names


_HOST: dict[str, Check] = {
    "role": _role,
    "vtep": _address,
    "behind": _text,
    "interfaces": _interfaces,
    "captures": _list_of(_text, tuple),
}


def _hosts(value: Any, key: str) -> dict[str, HostFacts]:
    if not isinstance(value, dict):
        raise OptionError(f"{key}: tables [hosts.NAME] expected, {value!r} found")
    hosts = {}
    for name, table in value.items():
        facts = _checked(table, _HOST, f"{key}.{name}.")
        hosts[name] = HostFacts(
            role=facts.get("role"),
            vtep_ip=facts.get("vtep"),
            behind=facts.get("behind"),
            interfaces=facts.get("interfaces", {}),
            captures=facts.get("captures", ()),
        )
    return hosts


_FABRIC: dict[str, Check] = {
    "gateways": _list_of(_address, frozenset),
    "vxlan_ports": _ports,
    "hosts": _hosts,
    "snapshots": _list_of(_text, tuple),
}
