"""UPDATES become ROUTES: when each EVPN route was in force at each speaker, and why (RFC 4271; RFC 7432)."""

import numpy as np
import pandas as pd

from evpn_pcap import columns
from evpn_pcap.routes.agreement import with_agreement
from evpn_pcap.routes.imports import are_imported
from evpn_pcap.routes.intervals import built_routes, intervals_of
from evpn_pcap.routes.places import access_frames, own_address_routes
from evpn_pcap.routes.preference import outranked_times
from evpn_pcap.routes.prints import messages_of_prints, with_speakers
from evpn_pcap.routes.refusals import refused_times
from evpn_pcap.routes.restarts import stale_times, with_restarts
from evpn_pcap.routes.sessions import sessions_of
from evpn_pcap.routes.told import closings_of, own_messages, received_messages
from evpn_pcap.routes.triggers import find_triggers
from evpn_pcap.routes.withdrawals import withdraw_reasons

__all__ = ["route_intervals", "routes_at", "with_agreement", "with_causes", "with_speakers"]  # what the pipeline calls


def route_intervals(updates: pd.DataFrame, snapshots: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return when each route was in force at each receiver, and since when each table is known whole.

    An advertisement opens an interval; a withdrawal, or an advertisement of the same ROUTE_KEY with other
    attributes, closes it. A session that ends withdraws everything it carried, although no UPDATE says so:
    by NOTIFICATION, RST or FIN of either side, by a new SYN on its ports, or by a newer connection of the
    two speakers once that carries routes; but for graceful restart, which keeps routes (`with_restarts`). The same
    advertisement again is a refresh.

    A message seen at several hosts counts once: best as the receiver's own host saw it, because a route is
    in force from when the receiver has it; else where the clock is known best. A speaker's own routes, told
    to whomever, are rows whose receiver is the sender, from its first copy on; routes that it only passes
    on (ORIGINATOR_ID, or received from another under the same key) are not.

    BGP does not repeat itself: a route learned before the capture began stays unseen until it is withdrawn
    or advertised anew. A withdrawal that closes nothing in a session whose start was not seen therefore
    yields an interval from the session's first sight, `is_preexisting`.

    Prints of routes tell what was there before (`messages_of_prints`), and make a table known whole.

    Reads UPDATES with `time_ns` and `margin_ns`, and SNAPSHOTS with the same and speaker_ip. Returns
    ROUTES, still without triggers and with withdraw reasons as far as BGP alone tells them, and SESSIONS.
    """
    prints = columns.SNAPSHOTS.empty().assign(time_ns=0, margin_ns=0) if snapshots is None else snapshots
    captured = updates.assign(is_before=False)
    updates = captured if prints.empty else pd.concat([messages_of_prints(updates, prints), captured])
    updates = updates.reset_index(drop=True)
    received = received_messages(updates)
    closings = closings_of(received)
    own = own_messages(updates, received)
    kept = with_restarts(received, closings)
    told = [intervals_of(kept.received, kept.closings), intervals_of(own, closings.iloc[:0])]
    intervals = pd.concat(told, ignore_index=True)
    routes = built_routes(intervals.assign(stale_ns=stale_times(intervals, kept.stale)))
    routes = routes.assign(is_imported=are_imported(routes))
    return columns.ROUTES.build(dict(routes)), sessions_of(updates, received, closings, prints)


def with_causes(
    routes: pd.DataFrame,
    sessions: pd.DataFrame,
    events: pd.DataFrame,
    anchors: pd.DataFrame,
    points: pd.DataFrame,
    snapshots: pd.DataFrame,
) -> pd.DataFrame:
    """Return ROUTES with what triggered each announcement, why each was withdrawn, and who refused it when.

    Reads SESSIONS, EVENTS, ANCHORS and SNAPSHOTS with time_ns, margin_ns and agreement, and POINTS. What the captures
    do not tell is missing, or `unknown`.
    """
    routes = routes.assign(refused_ns=refused_times(routes, snapshots))
    routes = routes.assign(outranked_ns=outranked_times(routes))
    own = own_address_routes(routes)
    frames = access_frames(events, anchors, points, own["mac"].unique())
    triggers = find_triggers(routes, own, sessions, frames, events, points)
    reasons = withdraw_reasons(routes, own, frames, events, snapshots)
    return columns.ROUTES.build({**routes, **triggers.reindex(routes.index), **reasons})


def routes_at(routes: pd.DataFrame, time_ns: int) -> pd.DataFrame:
    """Return the rows of ROUTES in force at a moment of the common clock (ns): from included, until excluded.

    What the receiver refuses, surely or by all that is known, is not in its table.
    """
    held = routes[(routes["advertised_ns"] <= time_ns) & (routes["withdrawn_ns"] > time_ns)]
    is_refused = [
        any(since <= time_ns < until for since, until in zip(threes[::3], threes[2::3], strict=True))
        for threes in held["refused_ns"]
    ]
    return held[~np.array(is_refused, dtype=bool)].reset_index(drop=True)
