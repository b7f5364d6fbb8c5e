"""What stops the work is raised; what a network can do to a packet is a row in ANOMALIES.

EvpnPcapError                 the one base: the command line turns it into one line on standard error
├── CaptureError              not a capture, an unsupported link type, unreadable, an empty selection
├── OptionError               an option, a label or a fabric file that makes no sense (exit status 2)
├── DependencyError           a program or an optional package that this command needs is not installed
└── SchemaError               a stage returned other columns than it declared: a bug of ours
"""


class EvpnPcapError(Exception):
    """Base of everything that this package raises on purpose."""


class CaptureError(EvpnPcapError):
    """A capture file cannot be read: names the file, what was expected and what was found."""


class OptionError(EvpnPcapError):
    """An option, a label or the fabric file makes no sense."""


class DependencyError(EvpnPcapError):
    """A program or optional package that the command needs is not installed."""


class SchemaError(EvpnPcapError):
    """A stage returned columns that it did not declare."""
