"""`routes`: which EVPN routes were in force when, at whom."""

from string import hexdigits
from typing import Annotated

import typer

from evpn_pcap.cli.options import Clock, Format, Gating, Output, Reading, Scope, Words, address, moment_ns
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.work import analysis_of
from evpn_pcap.cli.write import folder_of, send
from evpn_pcap.errors import OptionError


def routes(
    reading: Reading,
    scope: Scope,
    clock: Clock,
    gating: Gating,
    output: Output,
    words: Words,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Only the routes in force then, as `show bgp l2vpn evpn route` prints them."),
    ] = None,
    receiver: Annotated[str | None, typer.Option(metavar="IP", help="Only the view of this BGP speaker.")] = None,
    mac: Annotated[str | None, typer.Option(metavar="MAC", help="Only the routes of this MAC.")] = None,
    ip: Annotated[str | None, typer.Option(metavar="IP", help="Only the routes of this address.")] = None,
) -> int:
    """Print the EVPN routes with the interval each was in force at each receiver.

    Example: evpn-pcap routes captures/ --at 2026-11-22T10:00:00Z --receiver 192.168.16.1
    """
    folder_of(output)
    at_ns = moment_ns(at, "--at")
    only = {"mac": _mac_number(mac), "ip": address(ip, "--ip")}
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.pipeline import routes_at
    from evpn_pcap.report.routes import as_show
    from evpn_pcap.report.scope import in_scope
    from evpn_pcap.report.values import capture_names, records, table_named, written

    found = in_scope(analysis.tables.routes, analysis.options)
    found = found if receiver is None else found[found["receiver_ip"] == receiver]
    for column, value in only.items():
        found = found if value is None else found[found[column] == value]
    if at_ns is not None:
        found = routes_at(found, at_ns)
    if at_ns is not None and output.format == Format.TEXT:
        send(
            as_show(records(written(table_named("routes"), found, capture_names(analysis.captures)))), "routes", output
        )
    else:
        send_table("routes", found, analysis.captures, output)
    return status


def _mac_number(text: str | None) -> int | None:
    """Return a MAC as a number. Raises OptionError."""
    digits = (text or "").replace(":", "").replace("-", "").replace(".", "")
    if text is None:
        return None
    if len(digits) != 12 or not all(one in hexdigits for one in digits):
        raise OptionError(f"--mac {text!r} is not a MAC address")
    return int(digits, 16)
