"""What the exit status says."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses; an input failure outranks a failed gate, a failed gate an inconclusive run."""

    PASS = 0  # no gate failed; findings alone do not fail a run
    GATE_FAILED = 1  # an expression of --fail-on holds
    USAGE = 2  # a wrong option, argument, label, expression or fabric file
    INPUT = 3  # a capture could not be read, or the output not written; what could be analyzed is reported
    INCONCLUSIVE = 4  # only with --strict-evidence: an undecided resolution, or a gate without its figure
    INTERRUPTED = 130  # Ctrl-C
    TERMINATED = 143  # SIGTERM
