"""The options that commands share, declared once, and how they become model.Options."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer

from evpn_pcap import moments
from evpn_pcap.errors import OptionError
from evpn_pcap.model import Options


class Format(StrEnum):
    """How a table is written."""

    TEXT = "text"
    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class Reader(StrEnum):
    """Who decodes the captures."""

    NATIVE = "native"
    TSHARK = "tshark"


@dataclass(frozen=True, slots=True)
class Reading:
    """Which captures are read, and how."""

    captures: Annotated[
        list[str],
        typer.Argument(
            metavar="CAPTURE",
            help="Files, folders, globs, HOST[:POINT]=PATH, or - for standard input.",
            show_default=False,
        ),
    ]
    fabric: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="TOML file that states hosts, roles, VTEPs and gateways.", rich_help_panel="Captures"
        ),
    ] = None
    gateway: Annotated[
        list[str],
        typer.Option(
            metavar="IP",
            help="Address known to be the VTEPs' own (repeatable).",
            rich_help_panel="Captures",
            show_default=False,
        ),
    ] = field(default_factory=list)
    vxlan_port: Annotated[
        list[int],
        typer.Option(
            metavar="PORT",
            min=1,
            max=65535,
            help="UDP port that carries VXLAN (repeatable); replaces 4789 and 8472.",
            rich_help_panel="Captures",
            show_default=False,
        ),
    ] = field(default_factory=list)
    snapshot: Annotated[
        list[str],
        typer.Option(
            metavar="[HOST[@TIME]=]PATH",
            help="Prints of a host's tables (vtysh show, ip neigh, bridge fdb, bridge -d link), a file or folder "
            "(repeatable).",
            rich_help_panel="Captures",
            show_default=False,
        ),
    ] = field(default_factory=list)
    reader: Annotated[Reader, typer.Option(help="Who decodes the captures.", rich_help_panel="Captures")] = (
        Reader.NATIVE
    )
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="Processes to read captures, compare clocks; 0: one a core. Default: one, for large ones one a core.",
            rich_help_panel="Captures",
            show_default=False,
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Read the captures on the workers of this Dask scheduler.",
            rich_help_panel="Captures",
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What of the captures is looked at."""

    vni: Annotated[
        list[int],
        typer.Option(
            metavar="VNI",
            min=0,
            max=2**24 - 1,
            help="Only this segment (repeatable).",
            rich_help_panel="Scope",
            show_default=False,
        ),
    ] = field(default_factory=list)
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="Only from this moment on: RFC 3339, or seconds since 1970.", rich_help_panel="Scope"
        ),
    ] = None
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only before this moment.", rich_help_panel="Scope")
    ] = None


@dataclass(frozen=True, slots=True)
class Clock:
    """Whose clock the times are told on."""

    reference: Annotated[
        str | None, typer.Option(metavar="HOST", help="Host whose clock is the common clock.", rich_help_panel="Scope")
    ] = None


@dataclass(frozen=True, slots=True)
class Gating:
    """What makes a run fail."""

    fail_on: Annotated[
        list[str],
        typer.Option(
            metavar="EXPR",
            help="Exit with 1 where this holds: 'suppression_ratio < 0.9', 'findings{severity=high} > 0' (repeatable).",
            rich_help_panel="Gates",
            show_default=False,
        ),
    ] = field(default_factory=list)
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An earlier analysis.json: only findings that it does not have count for --fail-on.",
            rich_help_panel="Gates",
        ),
    ] = None
    soft_fail: Annotated[
        bool, typer.Option("--soft-fail", help="Exit with 0 instead of 1 or 4.", rich_help_panel="Gates")
    ] = False
    strict_evidence: Annotated[
        bool,
        typer.Option(
            "--strict-evidence",
            help="Exit with 4 where the captures do not decide a resolution or a gate.",
            rich_help_panel="Gates",
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Output:
    """Where the answer goes and how it is written."""

    format: Annotated[Format, typer.Option(help="How the answer is written.", rich_help_panel="Output")] = Format.TEXT
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write files into this folder, not to standard output.", rich_help_panel="Output"
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class Words:
    """What people are told on standard error meanwhile."""

    quiet: Annotated[
        bool, typer.Option("--quiet", help="Say nothing on standard error but errors.", rich_help_panel="Output")
    ] = False
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", help="Say how the records of every capture are accounted for.", rich_help_panel="Output"
        ),
    ] = False
    no_progress: Annotated[
        bool, typer.Option("--no-progress", help="Show no progress bar.", rich_help_panel="Output")
    ] = False


def flattened(command: Callable[..., int]) -> Callable[..., None]:
    """Return the command as typer wants it: dataclass parameters spread into fields, the result as exit status."""
    groups: dict[str, Any] = {
        name: p.annotation for name, p in inspect.signature(command).parameters.items() if is_dataclass(p.annotation)
    }
    own = [p for name, p in inspect.signature(command).parameters.items() if name not in groups]

    def call(**values: Any) -> None:
        grouped = {name: group(**{f.name: values.pop(f.name) for f in fields(group)}) for name, group in groups.items()}
        raise typer.Exit(command(**grouped, **values))

    own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    shared = [_parameter(one) for group in groups.values() for one in fields(group)]
    spread = [*filter(_is_argument, own), *shared, *(one for one in own if not _is_argument(one))]
    call.__signature__ = inspect.Signature(spread)  # type: ignore[attr-defined]  # what inspect.signature looks for
    call.__annotations__ = {one.name: one.annotation for one in spread}
    call.__doc__ = command.__doc__
    return call


def _is_argument(one: inspect.Parameter) -> bool:
    """Return whether a parameter is told by its place: such come before the captures."""
    return any(isinstance(part, typer.models.ArgumentInfo) for part in getattr(one.annotation, "__metadata__", ()))


def _parameter(one: "Field[Any]") -> inspect.Parameter:
    """Return a dataclass field as a keyword parameter of the same type and default."""
    default = one.default_factory() if one.default_factory is not MISSING else one.default
    empty = inspect.Parameter.empty
    return inspect.Parameter(
        one.name, inspect.Parameter.KEYWORD_ONLY, default=empty if default is MISSING else default, annotation=one.type
    )


def chosen(base: Options, reading: Reading, scope: Scope, clock: Clock | None = None) -> Options:
    """Return the fabric file's options with those of the command line over them. Raises OptionError."""
    since_ns = moment_ns(scope.since, "--since")
    until_ns = moment_ns(scope.until, "--until")
    if since_ns is not None and until_ns is not None and since_ns >= until_ns:
        raise OptionError(f"--since {scope.since} is not before --until {scope.until}")
    return replace(
        base,
        gateways=base.gateways | {str(address(text, "--gateway")) for text in reading.gateway},
        vxlan_ports=frozenset(reading.vxlan_port) or base.vxlan_ports,
        reference=clock.reference if clock else None,
        vnis=frozenset(scope.vni),
        since_ns=since_ns,
        until_ns=until_ns,
        reader=reading.reader.value,
        snapshots=(*base.snapshots, *reading.snapshot),
    )


def moment_ns(text: str | None, option: str) -> int | None:
    """Return a moment as exact ns since 1970, where one is given. Raises OptionError."""
    return None if text is None else moments.moment_ns(text, option)


def address(text: str | None, option: str) -> str | None:
    """Return an IP address in canonical form, where one is given. Raises OptionError, naming the option."""
    try:
        return None if text is None else str(ip_address(text))
    except ValueError as cause:
        raise OptionError(f"{option} {text!r} is not an IP address") from cause
