"""Expressions of --fail-on over the figures of an analysis: `suppression_ratio < 0.9`, `findings{severity=high} > 0`.

expression = figure operator number
figure     = a name of `figures`, or findings, or findings{key=value, ...}
key        = severity | name | code | vni
operator   = < | <= | > | >= | == | !=
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from evpn_pcap.errors import OptionError
from evpn_pcap.model import Analysis, Finding, Summary

Figure = int | float | None

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
}
_EXPRESSION = re.compile(
    r"\s*(?P<name>[a-z_]+)\s*(?:\{(?P<filter>[^{}]*)\})?\s*(?P<compare><=|>=|==|!=|<|>)\s*(?P<number>[+-]?\d+(?:\.\d+)?)\s*",
    re.ASCII,
)
_KEYS = ("severity", "name", "code", "vni")
_FINDINGS = "findings"
_FIGURES = (*Summary.__dataclass_fields__, "capture_count", "unreadable_count", "unalignable_count", "margin_max_ns")


@dataclass(frozen=True, slots=True)
class Gate:
    """One parsed expression."""

    expression: str  # as given
    name: str
    wanted: tuple[tuple[str, str], ...]  # of findings{key=value}
    compare: str
    number: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a gate: `is_failed` None where the captures give no figure to judge by."""

    gate: Gate
    figure: Figure
    is_failed: bool | None

    @property
    def result(self) -> str:
        """The verdict as one word: failed, passed or inconclusive."""
        return {True: "failed", False: "passed", None: "inconclusive"}[self.is_failed]


def parse_gate(expression: str) -> Gate:
    """Return an expression of --fail-on. Raises OptionError that says what is wrong with it."""
    found = _EXPRESSION.fullmatch(expression)
    if not found:
        raise OptionError(f"--fail-on {expression!r}: expected FIGURE OPERATOR NUMBER, as in 'suppression_ratio < 0.9'")
    name, given = found["name"], found["filter"]
    if name != _FINDINGS and (name not in _FIGURES or given is not None):
        raise OptionError(
            f"--fail-on {expression!r}: the figures are {', '.join(_FIGURES)}, findings and findings{{KEY=VALUE}}"
        )
    wanted = tuple(_pair(part, expression) for part in (given or "").split(",") if part.strip())
    return Gate(expression, name, wanted, found["compare"], float(found["number"]))


def judge(gate: Gate, analysis: Analysis) -> Verdict:
    """Return whether the gate's expression holds for this analysis."""
    figure = _finding_count(gate, analysis) if gate.name == _FINDINGS else figures(analysis)[gate.name]
    return Verdict(gate, figure, None if figure is None else _OPERATORS[gate.compare](figure, gate.number))


def figures(analysis: Analysis) -> dict[str, Figure]:
    """Return every figure by its name; None where the captures give none.

    `margin_max_ns` is the greatest clock margin of the hosts that are aligned.
    """
    margins = [one.margin_ns for one in analysis.clocks if one.margin_ns is not None]
    return {name: getattr(analysis.summary, name) for name in Summary.__dataclass_fields__} | {
        "capture_count": len(analysis.captures),
        "unreadable_count": len(analysis.failures),
        "unalignable_count": sum(one.offset_ns is None for one in analysis.clocks),
        "margin_max_ns": max(margins, default=None),
    }


def _pair(part: str, expression: str) -> tuple[str, str]:
    """Return key=value of a filter."""
    key, equals, value = (piece.strip() for piece in part.partition("="))
    if not equals or key not in _KEYS or not value:
        raise OptionError(
            f"--fail-on {expression!r}: expected KEY=VALUE with KEY one of {', '.join(_KEYS)}, found {part.strip()!r}"
        )
    return key, value.strip("\"'")


def _finding_count(gate: Gate, analysis: Analysis) -> int:
    """Return how many findings have all the wanted values."""
    return sum(all(_told(one, key) == value for key, value in gate.wanted) for one in analysis.findings)


def _told(finding: Finding, key: str) -> str:
    """Return one field of a finding as text."""
    return str(getattr(finding, key))
