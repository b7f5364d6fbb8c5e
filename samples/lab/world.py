"""A real EVPN fabric, and everything that can be done in it, as methods.

`with World(fabric, folder, prefix) as world:` gives a fabric whose BGP sessions are up and on which no VM runs.
Every change and every driven packet is a deed: it is announced to the callbacks before and after it is done.
"""

from samples.lab.changes import Changes
from samples.lab.tenancy import Tenancy
from samples.lab.traffic import Traffic


class World(Traffic, Tenancy, Changes):
    """One fabric while it runs: Ground says how it lives, Traffic what is sent, Tenancy and Changes what changes."""
