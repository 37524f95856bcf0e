"""What only whoever starts the service can give it: its own user, bounds on all its memory, a read-only system.

Nothing here is put on by us; each function tries, or reads what the kernel says, and returns "" or what is missing.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

_UNLIMITED_V1: Final = 1 << 60
_V1_FILES: Final = {"memory": "memory.limit_in_bytes", "pids": "pids.max"}
_V2_FILES: Final = {"memory": "memory.max", "pids": "pids.max"}


def own_user() -> str:
    """Whether the service runs as a user that is not root."""
    return "" if os.geteuid() != 0 else "the service runs as root; give it a user of its own"


def control_groups(cgroup: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> str:
    """Whether memory and processes of the service are bounded together (cgroups(7), version 2 or 1)."""
    try:
        places = [line.split(":", 2) for line in cgroup.read_text().splitlines()]
    except OSError as error:
        return f"{cgroup}: {error.strerror}"
    missing = [kind for kind in ("memory", "pids") if not _bounded(kind, places, root)]
    return f"no control group bounds {' and '.join(missing)}" if missing else ""


def _bounded(kind: str, places: list[list[str]], root: Path) -> bool:
    for _, controllers, path in places:
        if controllers == "":
            if any(_is_bound(folder / _V2_FILES[kind]) for folder in _upwards(root, path)):
                return True
        elif kind in controllers.split(",") and _is_bound(root / kind / path.lstrip("/") / _V1_FILES[kind]):
            return True
    return False


def _upwards(root: Path, path: str) -> list[Path]:
    """The group and every one above it: each may bind."""
    own = root / path.lstrip("/")
    return [own, *(above for above in own.parents if above.is_relative_to(root))]


def _is_bound(path: Path) -> bool:
    try:
        text = path.read_text().strip()
    except OSError:
        return False
    return text.isdigit() and int(text) < _UNLIMITED_V1


def read_only_system(program: Path = Path(__file__).parent) -> str:
    """Whether the service cannot write where its own program lies, tried by writing."""
    try:
        with tempfile.TemporaryFile(dir=program):
            return "the service can write where its program lies; mount the system read-only"
    except OSError:
        return ""


def no_swap(swaps: Path = Path("/proc/swaps"), root: Path = Path("/sys/fs/cgroup")) -> str:
    """Whether memory can reach no disk: no swap on this host, or none for the service."""
    try:
        devices = swaps.read_text().splitlines()[1:]
        if not devices:
            return ""
        own = Path("/proc/self/cgroup").read_text().split(":")[-1].strip().lstrip("/")
        return (
            "" if (root / own / "memory.swap.max").read_text().strip() == "0" else "swap is on; forbid or encrypt it"
        )
    except OSError:
        return "swap is on; forbid or encrypt it"
