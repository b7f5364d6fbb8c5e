"""A machine sends neighbour discovery messages that every receiver must drop without a word.

What it shows
    Messages with a hop limit other than 255, a code other than 0, a wrong checksum, a message or
    option cut short, or of a form that is not allowed: duplicate address detection with a source
    link-layer option or not to the solicited-node group, an answer to a group with the S flag, a
    target that is a group.

Why it matters
    Receivers ignore such messages, so addresses are not resolved, announced or checked, and nothing
    says why. A hop limit below 255 means that the message crossed a router, or was forged.

What else looks like this
    A capture at the sender where a checksum is filled in later; ICMPv6 checksums rarely are.

References
----------
    RFC 4861, sections 7.1.1 and 7.1.2; RFC 4862.

"""

import pandas as pd

from evpn_pcap.addresses import mac_text
from evpn_pcap.model import Rule, Severity, Tables
from evpn_pcap.rules._found import gather

SOLICITATION, ADVERTISEMENT = 135, 136
HOP_LIMIT = 255
SOLICITED_NODE = "ff02::1:ff"
CUT_SHORT = ("icmpv6.too-short", "icmpv6.option-length")
FRAMES_SHOWN = 12


def find(tables: Tables) -> pd.DataFrame:
    """Return one row per VNI and machine that sends invalid messages, with what is wrong with them."""
    messages = tables.packets[(tables.packets["protocol"] == "nd") & tables.packets["source_mac"].notna()]
    faults = _faults(messages)
    wrong = messages[faults.any(axis=1)]
    words = faults.loc[wrong.index].groupby(wrong["source_mac"]).any()
    found = [
        (int(mac), ", ".join(words.columns[present]))
        for mac, present in zip(words.index, words.to_numpy(dtype=bool), strict=True)
    ]
    by_mac = wrong.groupby("source_mac")
    return gather(
        pd.DataFrame(
            {
                "vni": pd.array([by_mac["vni"].max().get(mac) for mac, _ in found], dtype="UInt32"),
                "subject": [mac_text(mac) for mac, _ in found],
                "detail": [f"{mac_text(mac)}: {text}" for mac, text in found],
                "frame_ids": [tuple(by_mac["frame_id"].get_group(mac).head(FRAMES_SHOWN)) for mac, _ in found],
            }
        )
    )


def _faults(messages: pd.DataFrame) -> pd.DataFrame:
    """Return, per message, which rules it breaks: one column a fault; what was not captured breaks none."""
    kind, target, sent_to = messages["operation"], messages["target_ip"], messages["destination_ip"]
    is_probe = (kind == SOLICITATION) & (messages["sender_ip"] == "::")
    is_group = sent_to.str.startswith("ff")
    faults = {
        "hop limit below 255": messages["hop_limit"] != HOP_LIMIT,
        "code not 0": messages["icmp_code"] != 0,
        "wrong checksum": ~messages["is_checksum_valid"],
        "cut short": messages["stop_reason"].isin(CUT_SHORT),
        "target is a group": target.str.startswith("ff"),
        "address check with a link-layer option": is_probe & messages["sender_mac"].notna(),
        "address check not to the solicited-node group": is_probe & ~sent_to.str.startswith(SOLICITED_NODE),
        "solicited answer to a group": (kind == ADVERTISEMENT) & messages["has_solicited_flag"] & is_group,
    }
    return pd.DataFrame({name: broken.astype("boolean").fillna(value=False) for name, broken in faults.items()})


RULE = Rule(
    code="EVP112",
    name="nd-message-invalid",
    severity=Severity.MEDIUM,
    title="Neighbour discovery messages that receivers must drop",
    cause="The machine's IPv6 stack, or something on its link, builds the messages wrongly; or they are forged.",
    advice="Find the machine by its MAC and update its stack; look for what rewrites packets before the bridge.",
    rivals="A snapshot length or offloading at the capturing machine, if only its own messages have wrong checksums.",
    would_decide="A capture on the link of another machine that received the same message.",
    find=find,
)
