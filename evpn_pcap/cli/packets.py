"""`packets`: the first stage's table, and where every record went."""

from dataclasses import replace

from evpn_pcap.cli.options import Format, Output, Reading, Scope, Words
from evpn_pcap.cli.output import say, write_whole
from evpn_pcap.cli.stage import send_table
from evpn_pcap.cli.status import ExitStatus
from evpn_pcap.cli.work import accounting, options_of, running, tell
from evpn_pcap.cli.write import folder_of


def packets(reading: Reading, scope: Scope, output: Output, words: Words) -> int:
    """Print every ARP, RARP, ND, MLD and BGP frame, decoded; end with one line that accounts for every record.

    Example: evpn-pcap packets pve1-ens18.pcap --format csv > packets.csv
    """
    folder = folder_of(output)
    options = replace(options_of(reading, scope), anchors_per_second_count=0)  # the clocks' sample is not shown
    from evpn_pcap.reading import read_captures

    with running(reading, words) as run:
        decoded, failures = read_captures(reading.captures, options, run)
    from evpn_pcap.report.counts import counts_text
    from evpn_pcap.report.scope import in_scope
    from evpn_pcap.report.values import table_named

    captures = [one.capture for one in decoded]
    rows = table_named("packets").joined([one.columns["packets"] for one in decoded])
    send_table("packets", in_scope(rows, options), captures, output)
    if folder and output.format == Format.PARQUET:
        write_whole(folder / "counts.json", counts_text(captures, failures).encode())
    tell(captures, failures, words)
    if decoded and not words.quiet:
        say(accounting(captures))
    return ExitStatus.INPUT if failures else ExitStatus.PASS
