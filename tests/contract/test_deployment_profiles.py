"""The files in `deploy/` are accepted by the tools they are for, and give what docs/reference/isolation.md says they give."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "louver-sandbox.service"
PRUNING = (DEPLOY / "louver-sandbox-prune.service", DEPLOY / "louver-sandbox-prune.timer")
MOST_EXPOSED = 30
"""Tenths of systemd's exposure level, where 100 is no hardening at all."""


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this host")
    return found


@pytest.mark.parametrize("unit", [UNIT, *PRUNING], ids=lambda unit: unit.name)
def test_the_unit_is_one_that_systemd_understands(unit: Path) -> None:
    done = subprocess.run([tool("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if unit.name in line and "is not executable" not in line]
    assert not complaints


@pytest.mark.parametrize("unit", [UNIT, PRUNING[0]], ids=lambda unit: unit.name)
def test_the_unit_leaves_little_exposed(unit: Path) -> None:
    command = [tool("systemd-analyze"), "security", "--offline=true", f"--threshold={MOST_EXPOSED}", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd cannot judge a unit that is not installed")
    assert done.returncode == 0, done.stdout[-500:]


def test_the_unit_allows_what_workers_need_to_confine_themselves() -> None:
    """A unit that forbade namespaces, mounts or Landlock would make the whole weaker."""
    settings = dict(re.findall(r"^([A-Za-z]+)=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE))
    allowed = " ".join(re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)).split()
    assert "RestrictNamespaces" not in settings
    assert {"@system-service", "@mount", "seccomp", "landlock_restrict_self"} <= set(allowed)
    assert {"MemoryMax", "TasksMax"} <= settings.keys()
    assert settings["MemorySwapMax"] == "0"
    assert settings["ProtectSystem"] == "strict"


def test_inside_bubblewrap_every_layer_of_the_kernel_holds_and_the_system_is_read_only(tmp_path: Path) -> None:
    bubblewrap = tool("bwrap")
    if any(Path(path).is_relative_to("/tmp") for path in (*filter(None, sys.path), sys.executable)):
        pytest.skip("the program lies in /tmp, which the profile empties")
    program = tmp_path / "look"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json\n"
        "from louver_sandbox.processes.zygote import isolation_here\n"
        "print(json.dumps({one.layer: one.holds for one in isolation_here().findings}))\n"
    )
    program.chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "BWRAP": bubblewrap,
        "LOUVER_SANDBOX": str(program),
    }
    command = [str(DEPLOY / "louver-sandbox-bubblewrap"), str(tmp_path), "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode and "namespace" in done.stderr:
        pytest.skip(f"bubblewrap may make no namespace here: {done.stderr.strip()}")
    held = json.loads(done.stdout)
    assert held["read_only_system"]
    assert held["landlock"]
    assert held["system_calls"]
    assert held["network_namespace"]
    assert held["file_tree"]
