"""The checked-in modules say what `proto/` says, whichever generator made them.

Descriptors are compared, not texts, so that no generator version is pinned here (PACKAGING 2.3); json names are
left out because generators differ in writing them down.
"""

from __future__ import annotations

import shutil
from importlib import import_module, resources
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).parents[2]
PROTO = ROOT / "proto"
GENERATED = ROOT / "clients" / "python"


def stripped(file: descriptor_pb2.FileDescriptorProto) -> bytes:
    """The descriptor without json names and source comments, in one spelling."""
    copy = descriptor_pb2.FileDescriptorProto.FromString(file.SerializeToString())
    copy.ClearField("source_code_info")
    waiting = list(copy.message_type)
    while waiting:
        message = waiting.pop()
        waiting.extend(message.nested_type)
        for field in (*message.field, *message.extension):
            field.ClearField("json_name")
    return copy.SerializeToString(deterministic=True)


def compiled(folder: Path, scratch: Path) -> dict[str, bytes]:
    """What the `.proto` files under a folder say now, by name."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.proto"))
    output = scratch / "descriptors"
    include = resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{folder}", f"-I{include}", f"--descriptor_set_out={output}", *names]
    assert protoc.main(arguments) == 0, "proto/ does not compile"
    files = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file
    return {file.name: stripped(file) for file in files}


def checked_in(name: str) -> bytes:
    """What the generated module of a `.proto` file says."""
    module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
    file = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return stripped(file)


def stale(folder: Path, scratch: Path) -> list[str]:
    """The files whose generated modules say something else."""
    return [name for name, now in compiled(folder, scratch).items() if checked_in(name) != now]


def test_generated_modules_are_fresh(tmp_path: Path) -> None:
    changed = stale(PROTO, tmp_path)
    assert not changed, f"{', '.join(changed)} changed: run `make proto` and commit the result"


def test_every_generated_module_has_its_proto() -> None:
    sources = {path.relative_to(PROTO).with_suffix("").as_posix() for path in PROTO.rglob("*.proto")}
    modules = {path.relative_to(GENERATED).as_posix().removesuffix("_pb2.py") for path in GENERATED.rglob("*_pb2.py")}
    assert modules == sources


def test_every_rpc_has_its_stub(tmp_path: Path) -> None:
    for name in compiled(PROTO, tmp_path):
        module = import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        for service in module.DESCRIPTOR.services_by_name.values():
            grpc_module = import_module(module.__name__ + "_grpc")
            servicer = getattr(grpc_module, f"{service.name}Servicer")
            assert {method.name for method in service.methods} <= set(dir(servicer))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("string purpose = 2;", "string purpose = 2;\n  string ward = 99;"),
        ("bool replace = 2;", "bool replace = 9;"),
        ("rpc GetHead(", "rpc GetNewestHead("),
    ],
    ids=["a field more", "another number", "another name"],
)
def test_a_change_is_noticed(tmp_path: Path, before: str, after: str) -> None:
    changed = tmp_path / "proto"
    shutil.copytree(PROTO, changed)
    source = changed / "louver" / "v1" / "sandbox.proto"
    text = source.read_text(encoding="utf-8")
    assert before in text
    source.write_text(text.replace(before, after, 1), encoding="utf-8")
    assert stale(changed, tmp_path) == ["louver/v1/sandbox.proto"]
