"""`updates`: what BGP speakers told each other, message by message."""

from dataclasses import replace

from evpn_pcap.cli.options import Output, Reading, Scope, Words
from evpn_pcap.cli.output import say
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.cli.work import options_of, running, tell
from evpn_pcap.cli.write import folder_of
from evpn_pcap.report.escape import visible


def updates(reading: Reading, scope: Scope, output: Output, words: Words) -> int:
    """Print every EVPN route and session event that BGP messages tell, each at the time of the host that saw it.

    Example: evpn-pcap updates pve1-ens18.pcap --format csv > updates.csv
    """
    folder_of(output)
    options = replace(options_of(reading, scope), anchors_per_second_count=0)  # the clocks' sample is not shown
    from evpn_pcap.reading import read_captures, updates_of

    with running(reading, words) as run:
        decoded, failures = read_captures(reading.captures, options, run)
    from evpn_pcap.report.scope import in_scope
    from evpn_pcap.table import plain

    captures = [one.capture for one in decoded]
    told, anomalies = updates_of(decoded)
    send_table("updates", in_scope(told, options), captures, output)
    tell(captures, failures, words)
    if words.verbose:
        for name, detail, count in zip(
            *(plain(anomalies.data[one]) for one in ("name", "detail", "count")), strict=True
        ):
            say(visible(f"{name}: {count} x {detail}"))
    return ExitStatus.INPUT if failures else ExitStatus.PASS
