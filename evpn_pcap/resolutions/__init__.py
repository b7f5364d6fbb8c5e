"""EVENTS, POINTS, ROUTES and ANCHORS -> RESOLUTIONS: what became of each request, and what proves it.

The outcomes and the rules of evidence are those of domain.md, sections 2 to 4.
"""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.model import Kind, Options, Outcome, Role, RouteState
from evpn_pcap.order import PairMargins
from evpn_pcap.resolutions import aftermath, answers, context, details, echoes, evidence, kernel, placement, reasons
from evpn_pcap.resolutions.rows import Rows, find_rows

FRAMES_SHOWN_COUNT = 12  # of the first request and of the first answer, each


def resolve(
    events: pd.DataFrame,
    points: pd.DataFrame,
    anchors: pd.DataFrame,
    routes: pd.DataFrame,
    sessions: pd.DataFrame,
    snapshots: pd.DataFrame,
    margins: PairMargins,
    options: Options,
) -> pd.DataFrame:
    """Return RESOLUTIONS: each request and its retries, with outcome, reason and evidence.

    Reads EVENTS; POINTS with first_time_ns, last_time_ns and point_margin_ns, its coverage on the
    common clock; ANCHORS and SNAPSHOTS with time_ns and margin_ns; ROUTES; SESSIONS. `margins` bound
    by how much the difference of two hosts' times may be wrong. `options` restricts the rows to VNIs
    and times, and states gateways and places. Rows are in order of time.
    """
    if not events["kind"].notna().any():
        return columns.RESOLUTIONS.empty()
    places = placement.find_placement(events, anchors, routes, points, options)
    found = find_rows(events, anchors, places)
    requests = evidence.sightings_with_places(found.requests, points, places)
    told = evidence.sightings_with_places(found.answers, points, places)
    rows = _with_basics(found, requests, points, places)
    own = evidence.own_hosts(points)

    gone = evidence.beyond(requests, rows, own, answers.missing_at_target(requests, told, rows["target_mac"]), places)
    seen = evidence.witnesses(rows, requests, points, own, places, margins)
    asked_back = evidence.asks_back(rows, requests, margins)
    heard = seen.loc[seen["is_ingress"] & seen["proves"], "row_id"]
    gone = gone[~(gone["is_by_place"] & gone["row_id"].isin(heard))]  # no copy left, so the place is on the same VTEP
    rows = rows.assign(
        is_gone=rows.index.isin(gone["row_id"]), is_visible=evidence.answer_visible(requests, rows, own, points)
    )
    rows = rows.assign(is_kept=_kept(rows, requests, seen, asked_back), is_ingress_heard=rows.index.isin(heard))
    printed = context.are_tables_printed(rows, snapshots)
    rows = rows.assign(is_table_whole=context.are_tables_whole(rows, sessions, points) | printed.notna())
    rows = rows.join(answers.natures(rows, told, anchors, points, places, options))
    rows = rows.assign(is_used=answers.uses(rows, anchors))
    rows = rows.assign(is_silent=answers.silences(rows, points))
    rows = rows.assign(outcome=_outcomes(rows))
    rows = rows.assign(
        answered_by=answers.answered_by(
            rows, told, answers.absent_answers(rows, told, seen, asked_back), points, places
        ),
        assumptions=_assumptions(rows, gone, seen, asked_back),
    )
    rows = rows.join(context.route_states(rows, requests, routes, points, margins))
    rows = rows.assign(assumptions=_with_prints(rows, printed))
    rows = rows.join(kernel.kernel_facts(rows, snapshots, points, options))
    rows = rows.assign(reason=reasons.reasons(rows))
    rows = rows.assign(
        reason_detail=details.reason_details(rows, routes),
        reason_candidates=details.reason_candidates(rows),
        absent_at=_absent_at(rows, seen),
        undecided_reason=reasons.undecided_reasons(rows, seen),
        likely=reasons.likely_outcomes(rows, anchors),
        route_effect=context.route_effects(rows, routes, points),
        aftermath=aftermath.aftermaths(rows, anchors, points),
        **_copies(rows, requests),
        frame_ids=_frames(rows, requests, told, gone),
    )
    return _built(_selected(echoes.without_echoes(rows), options))


def _with_basics(
    found: Rows, requests: pd.DataFrame, points: pd.DataFrame, places: placement.Placement
) -> pd.DataFrame:
    """Return the rows with ingress VTEP, VNI, first answer and whose own link saw the request."""
    rows = found.rows
    own_vni = requests.groupby("row_id")["vni"].first().reindex(rows.index)
    by_mac = rows["requester_mac"].map(places.vnis).astype("UInt32")
    only = set(places.vnis.values())
    single = pd.Series(only.pop() if len(only) == 1 else pd.NA, index=rows.index, dtype="UInt32")
    first = answers.first_answers(rows, found.requests, found.answers)
    stations = points[points["role"] == Role.VM].set_index("point_id")["station_mac"]
    rows = rows.assign(
        vni=own_vni.fillna(by_mac).fillna(single),
        ingress_vtep=evidence.ingress_vteps(rows, requests, points, places),
        answer_id=first["transmission_id"],
        target_mac=first["told_mac"],
        answer_source_mac=first["source_mac"],
        latency_ns=first["latency_ns"],
        is_own_link=(rows["point_id"].map(stations) == rows["requester_mac"]).fillna(value=False).astype(bool),
    )
    own = requests[(requests["at_role"] == Role.VM) & (requests["at_station_mac"] == requests["source_mac"])]
    return rows.assign(requester_host=own.groupby("row_id")["host"].first().reindex(rows.index))


def _kept(rows: pd.DataFrame, requests: pd.DataFrame, seen: pd.DataFrame, asked_back: pd.Index) -> np.ndarray:
    """Return whether it is proven that no copy went beyond the ingress VTEP.

    A vantage point that shows a request of the row, at a place that could not be told, is no
    witness of absence.
    """
    shown = requests[["row_id", "host"]].drop_duplicates().rename(columns={"host": "host_there"})
    bare = seen[seen["proves"]].merge(
        shown, on=["row_id", "host_there"], how="left", indicator=True, validate="many_to_one"
    )
    is_absent = (bare["_merge"] == "left_only") | bare["shows_vxlan"].astype(bool) | (bare["role"] == Role.VXLAN)
    proven = rows.index.isin(bare.loc[is_absent, "row_id"]) | rows.index.isin(asked_back)
    return ~rows["is_gone"].to_numpy() & proven


def _outcomes(rows: pd.DataFrame) -> np.ndarray:
    """Return the outcome of each row (domain.md, section 3).

    Who then sends to the address had an answer, seen or not: what was not seen may have been the VTEP's own.
    """
    is_answered = rows["answer_id"].notna()
    needs_answer = rows["kind"].isin([Kind.RESOLUTION, Kind.REFRESH])
    is_used = rows["is_used"] & (rows["kind"] == Kind.RESOLUTION)
    is_unanswered = ~is_answered & ~is_used & ~rows["is_gateway"] & (rows["is_visible"] | ~needs_answer)
    return np.select(
        [
            rows["is_gone"],
            rows["is_kept"] & is_answered & rows["is_gateway"],
            rows["is_kept"] & (rows["is_host"] | rows["is_silent"] | is_unanswered),
        ],
        [Outcome.FLOODED, Outcome.LEARNED, Outcome.SUPPRESSED],
        Outcome.UNDECIDED,
    )


def _assumptions(rows: pd.DataFrame, gone: pd.DataFrame, seen: pd.DataFrame, asked_back: pd.Index) -> pd.Series:
    """Return what each outcome rests on beside frames: nothing where any proof needs no assumption."""
    flooded = _best_proofs(gone[["row_id", "assumption"]].assign(rank=0))
    kept = _best_proofs(seen.loc[seen["proves"], ["row_id", "assumption", "rank"]])
    back = pd.Series(
        "the target keeps to RFC 826 and RFC 4861: it asked back, so the request had not reached it",
        index=asked_back,
        dtype="str",
    )
    by_outcome = (
        flooded.reindex(rows.index).fillna(kept.reindex(rows.index)).fillna(back.reindex(rows.index)).fillna("")
    )
    decided = rows["outcome"] != Outcome.UNDECIDED
    return pd.Series(
        [(text,) if text and is_sure else () for text, is_sure in zip(by_outcome, decided, strict=True)],
        index=rows.index,
        dtype="object",
    )


def _absent_at(rows: pd.DataFrame, seen: pd.DataFrame) -> pd.Series:
    """Return, of rows that absence decides, the points that prove it, the nearest to the ingress VTEP first."""
    proofs = seen[seen["proves"]].sort_values(["rank", "host_there", "point"], kind="stable")
    names = (proofs["host_there"] + ":" + proofs["point"]).str.rstrip(":")
    told = names.groupby(proofs["row_id"]).agg(" ".join)
    return told.reindex(rows.index).where(rows["outcome"].isin([Outcome.SUPPRESSED, Outcome.LEARNED])).astype("str")


def _with_prints(rows: pd.DataFrame, printed: pd.Series) -> pd.Series:
    """Return the assumptions of each row, and where its route state rests on a print before it, that too."""
    is_told = printed.notna() & rows["route_state"].isin([RouteState.IN_FORCE, RouteState.NOT_IN_FORCE])
    told = zip(rows["assumptions"], printed, is_told, strict=True)
    return pd.Series(
        [(*one, text) if told_so else one for one, text, told_so in told], index=rows.index, dtype="object"
    )


def _best_proofs(proofs: pd.DataFrame) -> pd.Series:
    """Return, per row_id, the assumption of its best proof: none if one needs none."""
    ordered = proofs.assign(is_assumed=proofs["assumption"] != "").sort_values(
        ["is_assumed", "rank", "assumption"], kind="stable"
    )
    return ordered.drop_duplicates("row_id").set_index("row_id")["assumption"]


def _copies(rows: pd.DataFrame, requests: pd.DataFrame) -> dict[str, pd.Series]:
    """Return how many VXLAN copies of each row's requests were seen, and their octets.

    One counts once, however many captures show it, and is as long as the shortest of them says: a cooked header is
    longer than Ethernet's.
    """
    copies = requests[requests["vni"].notna()]
    once = copies.groupby(["row_id", "transmission_id", "outer_source_ip", "outer_destination_ip"])["wire_bytes"].min()
    by_row = once.groupby("row_id")
    figures = {"fabric_copy_count": by_row.size(), "fabric_byte_count": by_row.sum()}
    return {name: told.reindex(rows.index).fillna(0).astype("int64") for name, told in figures.items()}


def _frames(rows: pd.DataFrame, requests: pd.DataFrame, told: pd.DataFrame, gone: pd.DataFrame) -> pd.Series:
    """Return the frames that prove each row: its first request, what went beyond, and the first answer."""
    read = ["row_id", "frame_id", "time_ns"]
    first = requests[requests["transmission_id"] == requests["row_id"].map(rows["transmission_id"])]
    answer = told[told["transmission_id"] == told["row_id"].map(rows["answer_id"])]
    parts = [
        part.sort_values(["time_ns", "frame_id"]).groupby("row_id")[read].head(FRAMES_SHOWN_COUNT)
        for part in (first, gone, answer)
    ]
    proof = pd.concat(parts).drop_duplicates(["row_id", "frame_id"]).sort_values(["time_ns", "frame_id"], kind="stable")
    return proof.groupby("row_id")["frame_id"].agg(tuple).reindex(rows.index)


def _selected(rows: pd.DataFrame, options: Options) -> pd.DataFrame:
    """Return the rows of the VNIs and times that the user asked for."""
    in_vni = rows["vni"].isin(list(options.vnis)) if options.vnis else pd.Series(data=True, index=rows.index)
    since = rows["time_ns"] >= options.since_ns if options.since_ns is not None else True
    until = rows["time_ns"] <= options.until_ns if options.until_ns is not None else True
    return rows[in_vni & since & until]


def _built(rows: pd.DataFrame) -> pd.DataFrame:
    """Return RESOLUTIONS in order of time, numbered from 1."""
    ordered = rows.sort_values(["time_ns", "frame_id"], kind="stable").reset_index(drop=True)
    data = {column.name: ordered[column.name] for column in columns.RESOLUTIONS.columns if column.name != "id"}
    return columns.RESOLUTIONS.build({"id": np.arange(1, len(ordered) + 1), **data})
