"""Tables -> findings: every module of this folder is one diagnosis, found by listing it; helpers begin with _."""

import hashlib
import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

import pandas as pd

from evpn_pcap.model import Finding, Rule, Severity, Tables

SEVERITY_ORDER = list(Severity)


def load_rules() -> tuple[Rule, ...]:
    """Return the RULE of every module in this folder, in order of code."""
    names = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    rules = [importlib.import_module(f"{__name__}.{name}").RULE for name in names]
    return tuple(sorted(rules, key=lambda rule: rule.code))


def apply_rules(rules: Iterable[Rule], tables: Tables) -> tuple[Finding, ...]:
    """Return every occurrence that the rules find, the most severe first, then by code, VNI and subject."""
    found = [(rule, rows) for rule in rules if not (rows := rule.find(tables)).empty]
    findings = [_finding(rule, row) for rule, rows in found for row in rows.to_dict("records")]
    return tuple(sorted(findings, key=lambda f: (SEVERITY_ORDER.index(f.severity), f.code, f.vni or 0, f.title)))


def _finding(rule: Rule, row: dict[Any, Any]) -> Finding:
    """Return one row of FOUND with the words of its rule."""
    vni = None if pd.isna(row["vni"]) else int(row["vni"])
    identity = f"{rule.code} {vni} {row['subject']}"
    return Finding(
        code=rule.code,
        name=rule.name,
        severity=rule.severity,
        vni=vni,
        title=f"{rule.title}: {row['detail']}",
        cause=rule.cause,
        advice=rule.advice,
        rivals=rule.rivals,
        would_decide=rule.would_decide,
        resolution_ids=tuple(row["resolution_ids"]),
        frame_ids=tuple(row["frame_ids"]),
        margin_ns=None if pd.isna(row["margin_ns"]) else int(row["margin_ns"]),
        fingerprint=hashlib.sha256(identity.encode()).hexdigest()[:16],
    )
