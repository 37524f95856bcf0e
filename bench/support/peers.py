"""Peers in environments of their own, as each pins libraries we do not: `python -m bench.support.peers NAME`.

What is installed stands, to the version, in `bench/peers/NAME.txt`; the environments lie under `.bench/peers/`.
"""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PINS = ROOT / "bench" / "peers"
ENVIRONMENTS = ROOT / ".bench" / "peers"


def pins(name: str) -> Path:
    """What a peer's environment is made of."""
    return PINS / f"{name}.txt"


def python_of(name: str) -> Path:
    """The interpreter of a peer's environment."""
    return ENVIRONMENTS / name / "bin" / "python"


def installed(name: str) -> bool:
    """Whether the peer's environment was made to its end, of the pins there are now."""
    mark = _mark(name)
    return mark.exists() and mark.read_text(encoding="ascii") == _digest(name)


def install(name: str) -> Path:
    """The interpreter of the peer's environment, which is made first where it is not there.

    Raises:
        CalledProcessError: what is pinned cannot be installed here.
    """
    python = python_of(name)
    if not installed(name):
        venv.create(ENVIRONMENTS / name, clear=True)
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", "--no-compile", "-r", str(pins(name))], check=True)
        _mark(name).write_text(_digest(name), encoding="ascii")
    return python


def _mark(name: str) -> Path:
    return ENVIRONMENTS / name / ".installed"


def _digest(name: str) -> str:
    return hashlib.sha256(pins(name).read_bytes()).hexdigest()


if __name__ == "__main__":
    for peer in sys.argv[1:] or sorted(path.stem for path in PINS.glob("*.txt")):
        print(install(peer).relative_to(ROOT))
