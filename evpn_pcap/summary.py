"""RESOLUTIONS and FLOOD_COSTS -> the figures that a report leads with and that --fail-on compares (domain.md, 2, 3)."""

from typing import TYPE_CHECKING

from evpn_pcap.model import Kind, Outcome, Summary

if TYPE_CHECKING:
    import pandas as pd


def summarize(resolutions: "pd.DataFrame", flood_costs: "pd.DataFrame") -> Summary:
    """Return the counts of each outcome over the rows of kind `resolution`, and what flooding cost.

    Refreshes, probes and announcements are left out of the outcomes: suppression is not asked to
    answer them. They count in the cost. Reads RESOLUTIONS: kind, outcome, fabric_copy_count; FLOOD_COSTS.
    """
    is_unicast = ~flood_costs["kind"].isin(list(Kind))
    requests, unicast = flood_costs[~is_unicast], flood_costs[is_unicast]
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
        flood_copy_count=int(requests["copy_count"].sum()),
        flood_byte_count=int(requests["byte_count"].sum()),
        flood_share=float(requests["underlay_share"].sum()) if requests["underlay_share"].notna().any() else None,
        savable_copy_count=int(requests["savable_copy_count"].sum()),
        savable_byte_count=int(requests["savable_byte_count"].sum()),
        unknown_unicast_copy_count=int(unicast["copy_count"].sum()),
        unknown_unicast_byte_count=int(unicast["byte_count"].sum()),
    )
