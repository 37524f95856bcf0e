"""Which layers hold on this host: each is put on in a process of its own, which then tries what it forbids.

The trials run in a fresh interpreter that is forked for each, so that nothing they do or break reaches the service.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache

from louver_sandbox.processes.isolation import host
from louver_sandbox.processes.isolation.kernel import LayerNotApplied
from louver_sandbox.processes.isolation.layers import LAYERS, Layer
from louver_sandbox.processes.isolation.levels import HOST, KERNEL, LIMITS, Finding, Isolation
from louver_sandbox.processes.isolation.system_calls import DEATH

PROBE_SECONDS = 60.0
_BOOT = "from louver_sandbox.processes.isolation.probe import main; main()"
_NOT_APPLIED, _STOPPED, _SUCCEEDED = 3, 0, 4
_HOST = {
    "own_user": ("what only root may do", host.own_user),
    "control_groups": ("taking the memory and processes of others", host.control_groups),
    "read_only_system": ("changing the program", host.read_only_system),
    "no_swap": ("values on a disk", host.no_swap),
}


_LIMITS = {
    "parent_death_signal": "outliving the service",
    "not_dumpable": "being looked into by other processes of its user",
    "no_new_privileges": "rights gained by executing a program",
    "memory": "more memory than its share",
    "processor_time": "more processor time than its share",
    "file_size": "writing files",
    "open_files": "more open files than its share",
    "core_dump": "its memory on a disk when it crashes",
    "descriptors": "using what the service has open",
    "environment": "reading the service's environment",
    "processes": "starting processes (root is exempt; the filter of system calls stops it too)",
}


class ProbeFailed(Exception):
    """The host could not be looked at; nothing may be relied on."""


def findings(held_limits: Mapping[str, bool]) -> Isolation:
    """What this host gives, together with what was found of the resource limits (`zygote.probe_layers`).

    Raises:
        ProbeFailed: the trials did not run.
    """
    limits = (
        Finding(name, LIMITS, _LIMITS[name], holds, "" if holds else "does not bite")
        for name, holds in held_limits.items()
    )
    found = kernel_layers()
    kernel = (Finding(layer.name, KERNEL, layer.stops, not found[layer.name], found[layer.name]) for layer in LAYERS)
    return Isolation((*limits, *kernel, *_host()))


def _host() -> Iterator[Finding]:
    for name, (stops, look) in _HOST.items():
        why = look()
        yield Finding(name, HOST, stops, not why, why)


@cache
def kernel_layers() -> Mapping[str, str]:
    """Every layer that a process can put on itself, by name: "" where it holds, else why it does not.

    Raises:
        ProbeFailed: the trials did not run.
    """
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "PYTHONPATH") if name in os.environ}
    try:
        done = subprocess.run(  # noqa: S603 -- our own interpreter and a constant program
            [sys.executable, "-P", "-c", _BOOT],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        found: dict[str, str] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        raise ProbeFailed("the layers of isolation could not be tried on this host") from None
    return found


def main() -> None:
    """Try every layer and print what came of it, as JSON."""
    print(json.dumps({layer.name: tried(layer) for layer in LAYERS}))


def tried(layer: Layer) -> str:
    """ "" if the layer holds, else why it does not; tried in a child of this single-threaded process."""
    with layer.scene() as state:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            _try_in_child(layer, state, write)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read(1000).decode(errors="replace")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == _STOPPED or code == -DEATH:
        return ""
    return said if code == _NOT_APPLIED and said else "the forbidden act succeeded"


def _try_in_child(layer: Layer, state: object, write: int) -> None:
    code = _SUCCEEDED
    try:
        layer.apply()
        code = _SUCCEEDED if layer.attempt(state) else _STOPPED
    except LayerNotApplied as missing:
        os.write(write, str(missing).encode()[:1000])
        code = _NOT_APPLIED
    finally:
        os._exit(code)
