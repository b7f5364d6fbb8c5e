"""EVENTS -> rows: each request with its retries, and the answers to it (domain.md, section 2)."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evpn_pcap.model import FOREVER, Kind
from evpn_pcap.resolutions.placement import Placement

RETRY_NS = 3_000_000_000  # a repeat within this time, unanswered in between, is the same row
ROW_KEY = ["clock", "segment", "kind", "protocol", "requester_mac", "requester_ip", "target_ip"]
ANSWER_KEY = ["clock", "protocol", "target_ip", "asker"]
USE_KEY = ["clock", "asker", "target_ip"]


@dataclass(frozen=True, slots=True)
class Rows:
    """Requests and answers, brought together.

    `rows`: one row per resolution, index row_id in order of time. `requests` and `answers`:
    EVENTS of its requests and of the answers to it, each sighting, with row_id.
    """

    rows: pd.DataFrame
    requests: pd.DataFrame
    answers: pd.DataFrame


def find_rows(events: pd.DataFrame, anchors: pd.DataFrame, places: Placement) -> Rows:
    """Return each request with its retries, and every sighting of each answer to it.

    Requests of one ROW_KEY are one row while each comes within 3 s of the last and the asker had no
    answer in between: none was seen, and it sent nothing to the address (a proxied answer is not
    seen on the bridge device; what the asker then sends is). An answer belongs to the latest request
    that it can answer. VTEPs that share a MAC and address (anycast) are requesters of their own:
    `places` has the VTEP at which a transmission entered, where known. A host that is not aligned
    has a time of its own (`clock`), so its rows are its own. Frames of the underlay itself (segment
    "underlay") are no requests of the overlay.
    """
    keyed = events[events["segment"] != "underlay"]
    keyed = keyed.assign(asker=keyed["requester_ip"].fillna(""), clock=_clock(keyed))
    asked = keyed[keyed["kind"].notna()]
    told = keyed[keyed["message"].isin(["reply", "announcement"])]

    sent = _transmissions(asked)
    answered = _transmissions(told)
    used = anchors.assign(clock=_clock(anchors), asker=anchors["source_ip"], target_ip=anchors["destination_ip"])
    ended = _ended(asked, told, ANSWER_KEY) | _ended(asked[asked["kind"] == Kind.RESOLUTION], used, USE_KEY)
    sent = sent.assign(row_id=_row_numbers(sent, answered, used, ended, places))
    owner = _answers_to(sent, answered, asked, told)

    requests = asked.merge(
        sent[["transmission_id", "row_id"]], on="transmission_id", how="inner", validate="many_to_one"
    )
    answers = told.merge(owner, on="transmission_id", how="inner", validate="many_to_one")
    return Rows(_first_of_each(requests), requests, answers)


def _clock(sightings: pd.DataFrame) -> pd.Series:
    """Return whose clock the times are on: the host's own where it is not aligned, else the common one."""
    return sightings["host"].mask(sightings["margin_ns"] != FOREVER, "")


def _transmissions(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return one row per transmission: its earliest sighting, in order of time."""
    ordered = sightings.sort_values(["time_ns", "frame_id"], kind="stable")
    return ordered.drop_duplicates("transmission_id").reset_index(drop=True)


def _ended(asked: pd.DataFrame, happened: pd.DataFrame, keys: list[str]) -> set[int]:
    """Return the transmissions of requests before which one host saw, since the request before, what ends its row.

    One clock tells: between requests a few ms apart two hosts' clocks may not.
    """
    seen = _once_a_host(asked)
    seen = seen.assign(before_ns=seen.groupby(["host", *ROW_KEY], dropna=False)["captured_ns"].shift())
    last_ns = _latest_before(seen, happened, ["host", *keys], "captured_ns")
    return set(seen.loc[(last_ns >= seen["before_ns"]).to_numpy(), "transmission_id"])


def _once_a_host(sightings: pd.DataFrame) -> pd.DataFrame:
    """Return the first sighting of each transmission at each host, in order of its own time."""
    ordered = sightings.sort_values(["captured_ns", "frame_id"], kind="stable")
    return ordered.drop_duplicates(["host", "transmission_id"]).reset_index(drop=True)


def _row_numbers(
    sent: pd.DataFrame, answered: pd.DataFrame, used: pd.DataFrame, ended: set[int], places: Placement
) -> np.ndarray:
    """Return the row that each request belongs to, counted from 0 in order of its first request."""
    groups = sent.groupby(ROW_KEY, dropna=False, sort=False)
    before_ns = groups["time_ns"].shift()
    last_answer = _latest_before(sent, answered, ANSWER_KEY)
    last_use = _latest_before(sent, used, USE_KEY).where(sent["kind"] == Kind.RESOLUTION)
    entry = sent["transmission_id"].map(places.entered).astype("str")
    entry_before = groups["transmission_id"].shift().map(places.entered).astype("str")
    is_elsewhere = entry.notna() & entry_before.notna() & (entry != entry_before)
    is_elsewhere &= (sent["kind"] == Kind.PROBE) | sent["source_mac"].isin(places.gateway_macs)
    is_late = sent["time_ns"] - before_ns > RETRY_NS
    is_over = sent["transmission_id"].isin(ended) | (last_answer >= before_ns) | (last_use >= before_ns)
    is_first = before_ns.isna() | is_late | is_elsewhere | is_over
    first_index = pd.Series(np.where(is_first, np.arange(len(sent)), -1)).groupby(groups.ngroup()).cummax()
    return pd.factorize(first_index)[0]


def _latest_before(sent: pd.DataFrame, happened: pd.DataFrame, keys: list[str], clock: str = "time_ns") -> pd.Series:
    """Return the time of the latest of `happened` with the same keys up to each request; missing if there is none.

    `clock` is the column of times; `sent` is in their order.
    """
    timed = happened.assign(upto_ns=happened[clock], at_ns=happened[clock])[["upto_ns", "at_ns", *keys]]
    found = pd.merge_asof(
        sent.assign(upto_ns=sent[clock])[["upto_ns", *keys]],
        timed.sort_values("upto_ns", kind="stable"),
        on="upto_ns",
        by=keys,
    )
    return found["at_ns"]


def _answers_to(sent: pd.DataFrame, answered: pd.DataFrame, asked: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Return transmission_id of each answer and the row_id of the latest request that it can answer.

    Hosts that saw both tell on their own clocks, the one with the latest request best. Where none did, the two are
    compared across hosts, so the answer may seem earlier by the margins of both.
    """
    numbered = asked.merge(
        sent[["transmission_id", "row_id"]], on="transmission_id", how="inner", validate="many_to_one"
    )
    own = _latest_request(
        _once_a_host(told).assign(upto_ns=lambda rows: rows["captured_ns"]),
        _once_a_host(numbered).assign(upto_ns=lambda rows: rows["captured_ns"]),
        ["host", *ANSWER_KEY],
    )
    own = own.sort_values("row_id").drop_duplicates("transmission_id", keep="last")
    slack_ns = answered["margin_ns"].where(answered["clock"] == "", 0).clip(upper=RETRY_NS)
    others = answered.assign(upto_ns=answered["time_ns"] + slack_ns)
    others = others[~others["transmission_id"].isin(own["transmission_id"])]
    return pd.concat([own, _latest_request(others, sent.assign(upto_ns=sent["time_ns"]), ANSWER_KEY)])


def _latest_request(answered: pd.DataFrame, sent: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Return transmission_id of answers and the row_id of the latest request before each, by their upto_ns.

    A machine does not answer itself, and an announcement answers only a probe.
    """
    late = answered.sort_values("upto_ns", kind="stable")
    request = sent.assign(is_probe=sent["kind"] == Kind.PROBE)[sent["kind"] != Kind.ANNOUNCEMENT]
    request = request[["upto_ns", *keys, "row_id", "source_mac", "is_probe"]]
    request = request.sort_values("upto_ns", kind="stable")
    matched = pd.merge_asof(
        late[["upto_ns", *keys, "transmission_id", "source_mac", "message"]],
        request.rename(columns={"source_mac": "asking_mac"}),
        on="upto_ns",
        by=keys,
        tolerance=RETRY_NS,
    )
    is_other = matched["source_mac"] != matched["asking_mac"]
    fits = (matched["message"] == "reply") | matched["is_probe"].fillna(value=False).astype(bool)
    matched = matched[matched["row_id"].notna() & is_other & fits]
    return matched[["transmission_id", "row_id"]].astype({"row_id": "int64"})


def _first_of_each(requests: pd.DataFrame) -> pd.DataFrame:
    """Return one row per row_id: its first sighting, and how many requests it has."""
    ordered = requests.sort_values(["time_ns", "frame_id"], kind="stable")
    first = ordered.drop_duplicates("row_id").set_index("row_id").sort_index()
    by_row = requests.groupby("row_id")
    return first.assign(
        request_count=by_row["transmission_id"].nunique(),
        last_request_ns=by_row["time_ns"].max(),
        destination_mac=by_row["destination_mac"].first(),
    )
