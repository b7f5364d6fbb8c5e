"""The scenarios: each file of this folder has a `SCENARIO` or several `SCENARIOS`, and is found by being here."""

import pkgutil
from importlib import import_module

from samples.lab.story import Scenario

SCENARIOS: dict[str, Scenario] = {}
for _found in sorted(module.name for module in pkgutil.iter_modules(__path__)):
    _module = import_module(f"{__name__}.{_found}")
    for _scenario in getattr(_module, "SCENARIOS", None) or (_module.SCENARIO,):
        SCENARIOS[_scenario.name] = _scenario
