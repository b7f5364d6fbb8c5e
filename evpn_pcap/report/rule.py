"""One RULE and its module's docstring -> its documentation for people."""

import inspect
from collections.abc import Sequence

from evpn_pcap.errors import OptionError
from evpn_pcap.model import Rule


def rule_named(rules: Sequence[Rule], name: str) -> Rule:
    """Return the rule of a code or slug. Raises OptionError that lists what there is."""
    found = [rule for rule in rules if name.lower() in (rule.code.lower(), rule.name)]
    if not found:
        known = ", ".join(f"{rule.code} {rule.name}" for rule in rules)
        raise OptionError(f"{name!r} is neither the number of a resolution nor a rule; the rules are {known}")
    return found[0]


def render(rule: Rule) -> str:
    """Return what a rule finds, why it matters, what to do, and what else looks like it."""
    head = f"{rule.code} {rule.name} [{rule.severity}]: {rule.title}"
    parts = (
        ("Cause", rule.cause),
        ("What to do", rule.advice),
        ("What else looks like this", rule.rivals),
        ("What would decide", rule.would_decide),
    )
    told = "".join(f"\n{title}\n    {words}\n" for title, words in parts)
    documentation = inspect.cleandoc(getattr(inspect.getmodule(rule.find), "__doc__", None) or "")
    return f"{head}\n{told}\n{documentation}\n"
