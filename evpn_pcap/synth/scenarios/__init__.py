"""One story a module: each shows what one diagnosis looks like, beside traffic that is healthy.

A module has `record()`, which returns the Recording of its story; its first docstring line tells
the story. The modules of this folder are found by listing it; a sample goes by the name of its module.
"""

import importlib
import pkgutil
from collections.abc import Callable

from evpn_pcap.synth.recording import Recording

_NAMES = sorted(module.name for module in pkgutil.iter_modules(__path__))
SCENARIOS: dict[str, Callable[[], Recording]] = {
    name.replace("_", "-"): importlib.import_module(f"{__name__}.{name}").record for name in _NAMES
}
