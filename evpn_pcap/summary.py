"""RESOLUTIONS -> the figures that a report leads with and that --fail-on compares (domain.md, 2 and 3)."""

from typing import TYPE_CHECKING

from evpn_pcap.model import Kind, Outcome, Summary

if TYPE_CHECKING:
    import pandas as pd


def summarize(resolutions: "pd.DataFrame") -> Summary:
    """Return the counts of each outcome over the rows of kind `resolution`.

    Refreshes, probes and announcements are left out of every figure: suppression is not asked to
    answer them. Reads RESOLUTIONS: kind, outcome, fabric_copy_count.
    """
    asked = resolutions[resolutions["kind"] == Kind.RESOLUTION]
    count = {outcome: int((asked["outcome"] == outcome).sum()) for outcome in Outcome}
    judged = count[Outcome.SUPPRESSED] + count[Outcome.FLOODED]
    return Summary(
        resolution_count=len(asked),
        suppressed=count[Outcome.SUPPRESSED],
        flooded=count[Outcome.FLOODED],
        learned=count[Outcome.LEARNED],
        undecided=count[Outcome.UNDECIDED],
        suppression_ratio=count[Outcome.SUPPRESSED] / judged if judged else None,
        fabric_copy_count=int(asked["fabric_copy_count"].sum()),
    )
