"""What one kind of process is confined to, and the order in which its layers go on (SECURITY section 3.2).

A zygote enters namespaces before it imports anything, and leaves the host's file tree and its capabilities when it
has imported everything. A child puts the limits on at once, shuts the files of others when it knows its own
(`open_only`), and puts the filter of system calls on when it has opened them and started its threads (`seal`). A
layer that was found to hold on this host and cannot be put on ends the process: there is no silent downgrade.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.machinery import BuiltinImporter, FrozenImporter
from typing import Final

from louver_sandbox.processes import limits as resource_limits
from louver_sandbox.processes.isolation import capabilities, file_tree, landlock, namespaces, system_calls
from louver_sandbox.processes.limits import Limits, Stage, apply_layers

FILE_TREE, CAPABILITIES, LANDLOCK, SYSTEM_CALLS = "file_tree", "capabilities", "landlock", "system_calls"
ORDER: Final = (*namespaces.FLAGS, FILE_TREE, CAPABILITIES, LANDLOCK, SYSTEM_CALLS)
"""Every layer of this package in the order in which it goes on; those of `limits` come before Landlock."""


@dataclass(frozen=True)
class Confinement:
    """What one kind of process may use.

    `profile` names its system calls (`profiles`). `readable` and `writable` are the only folders of its file
    tree; with `readable` None it keeps the host's. `layers` are those it puts on beside the limits, by name.
    """

    limits: Limits = field(default_factory=Limits)
    profile: str = "compute"
    readable: tuple[str, ...] | None = None
    writable: tuple[str, ...] = ()
    layers: frozenset[str] = frozenset()

    def encode(self) -> dict[str, object]:
        return asdict(self) | {"layers": sorted(self.layers)}

    @classmethod
    def decode(cls, text: str) -> "Confinement":
        fields = json.loads(text)
        return cls(
            limits=Limits(**fields["limits"]),
            profile=fields["profile"],
            readable=None if fields["readable"] is None else tuple(fields["readable"]),
            writable=tuple(fields["writable"]),
            layers=frozenset(fields["layers"]),
        )


class _Process:
    """This process's own confinement, None where no zygote has begun it, and whether its files have been shut."""

    confinement: Confinement | None = None
    files_are_shut = False


def enter_namespaces(confinement: Confinement) -> None:
    """In a zygote, first of all: it may go on as another process.

    Raises:
        LayerNotApplied: as every function here; the caller must end the process.
    """
    namespaces.enter(confinement.layers)


def leave_the_host(confinement: Confinement) -> None:
    """In a zygote that has imported all it will ever need: away with the files and rights of the host."""
    resource_limits.note_inherited()
    if SYSTEM_CALLS in confinement.layers:
        system_calls.compiled(confinement.profile)
    if LANDLOCK in confinement.layers:
        landlock.version()
    if FILE_TREE in confinement.layers and confinement.readable is not None:
        file_tree.apply(confinement.readable, confinement.writable)
    if CAPABILITIES in confinement.layers:
        capabilities.apply()


def begin(confinement: Confinement) -> None:
    """In a child, before its entry function runs."""
    _Process.confinement, _Process.files_are_shut = confinement, False
    apply_layers(Stage.START, confinement.limits)


def open_only(readable: Sequence[str] = (), writable: Sequence[str] = ()) -> None:
    """In a child that knows its job: from now on these files, and what lies below these folders."""
    if _Process.confinement is None:
        return
    # What is not imported by now is not there: some libraries try others and take nothing but that for an answer.
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]
    if LANDLOCK in _Process.confinement.layers:
        landlock.apply(readable, writable)
    _Process.files_are_shut = True


def rehearse() -> None:
    """In a child that will soon be asked: what the layers need is touched before anybody waits."""
    if _Process.confinement is not None and LANDLOCK in _Process.confinement.layers:
        landlock.rehearse()


def seal() -> None:
    """In a child that has opened its data and started its threads, before untrusted text is looked at.

    Does nothing in a process that is no zygote's child, so that a test may call an entry function.
    """
    confinement = _Process.confinement
    if confinement is None:
        return
    if not _Process.files_are_shut:
        open_only()
    apply_layers(Stage.SEALED, confinement.limits)
    if SYSTEM_CALLS in confinement.layers:
        system_calls.apply(confinement.profile)


def without(confinement: Confinement, *layers: str) -> Confinement:
    """The same without some layers: for tests and benchmarks that show what a layer is good for."""
    return replace(confinement, layers=confinement.layers - set(layers))
