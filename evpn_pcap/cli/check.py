"""`check`: the findings of every rule, and nothing else."""

from evpn_pcap.cli.options import Clock, Format, Gating, Output, Reading, Scope, Words
from evpn_pcap.cli.work import analysis_of, baseline_of
from evpn_pcap.cli.write import folder_of, send
from evpn_pcap.errors import OptionError


def check(reading: Reading, scope: Scope, clock: Clock, gating: Gating, output: Output, words: Words) -> int:
    """Print what the diagnoses and conformance checks found, nothing else; findings alone do not fail a run.

    Example: evpn-pcap check captures/ --fail-on 'findings{severity=high} > 0' --baseline last/analysis.json
    """
    folder_of(output)
    if output.format not in (Format.TEXT, Format.JSON):
        raise OptionError(f"--format {output.format}: findings are written as text or json")
    baseline = baseline_of(gating)
    analysis, status, _ = analysis_of(reading, scope, clock, gating, words)
    from evpn_pcap.report.json import findings_json
    from evpn_pcap.report.text import findings_text

    tell = findings_text if output.format == Format.TEXT else findings_json
    send(tell(analysis, baseline.fingerprints if baseline else None), "findings", output)
    return status
