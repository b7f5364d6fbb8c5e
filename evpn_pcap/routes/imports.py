"""ROUTES -> whether each receiver imports them, by route target (RFC 4364, 4.3.1; RFC 8365, 5.1.2.1)."""

import pandas as pd

IMET = 3


def are_imported(routes: pd.DataFrame) -> pd.Series:
    """Return, per row of ROUTES, whether the receiver imports it: true, false, or missing where not known.

    What a receiver imports is taken from what it exports itself: it imports a route that has a
    route target of its own routes. Derived targets differ in the AS number between VTEPs of
    different ASs, and name the VNI behind it, so that part alone counts. A route is not imported
    where the receiver has an inclusive multicast route of the same VNI, so that its targets are known,
    and shares none of them. A speaker's own routes are its own.
    """
    is_own = routes["receiver_ip"] == routes["sender_ip"]
    told = routes.assign(part=routes["route_targets"].str.split(" ")).explode("part")
    told = told.assign(part=told["part"].astype("str").str.replace("^.*:", "", regex=True))[["receiver_ip", "part"]]
    exported = told.loc[is_own.reindex(told.index), ["receiver_ip", "part"]].dropna().drop_duplicates()
    matched = told.reset_index(names="row").merge(
        exported.assign(is_shared=True), on=["receiver_ip", "part"], how="left", validate="many_to_one"
    )
    is_shared = matched["is_shared"].notna().groupby(matched["row"]).any().reindex(routes.index)
    has_targets = told["part"].notna().groupby(level=0).any().reindex(routes.index)
    served = routes.loc[is_own & (routes["route_type"] == IMET), ["receiver_ip", "vni"]].dropna().drop_duplicates()
    is_served = pd.MultiIndex.from_frame(routes[["receiver_ip", "vni"]]).isin(pd.MultiIndex.from_frame(served))
    known = is_own | is_shared | (has_targets & is_served)
    return (is_own | is_shared).astype("boolean").where(known)
