"""Capabilities: none, for good, whoever the process runs as (capabilities(7))."""

import os

from louver_sandbox.processes.isolation.kernel import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_CLEAR_ALL,
    drop_bounding_set,
    drop_capabilities,
    prctl,
)


def apply() -> None:
    """Give up every capability, and the right to get one back by executing a program.

    Raises:
        LayerNotApplied: the kernel refused.
    """
    drop_bounding_set()
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    drop_capabilities()


def attempt(_: object) -> bool:
    """Whether a privileged act succeeds: changing the root directory to what it is."""
    try:
        os.chroot("/")
    except OSError:
        return False
    return True
