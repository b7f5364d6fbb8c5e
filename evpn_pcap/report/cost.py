"""The figures of an analysis -> what flooding cost, in words."""

from evpn_pcap.model import Summary


def cost_lines(figures: Summary) -> list[str]:
    """Return one line about flooded requests and one about unknown unicast, each where there was any."""
    lines = []
    if figures.flood_copy_count:
        share = "" if figures.flood_share is None else f", {figures.flood_share:.1%} of the underlay traffic seen"
        cost = f"flooded requests cost {figures.flood_copy_count} copies, {figures.flood_byte_count} bytes{share}"
        saved = f"{figures.savable_copy_count} copies, {figures.savable_byte_count} bytes"
        lines.append(f"{cost}; suppression would have saved {saved}")
    if figures.unknown_unicast_copy_count:
        cost = f"{figures.unknown_unicast_copy_count} copies, {figures.unknown_unicast_byte_count} bytes"
        lines.append(f"unknown unicast cost {cost}")
    return lines
