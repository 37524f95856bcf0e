"""Which layers hold is found by trying; too few, and nothing is served; a host that forbids some is served by the rest."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from louver_sandbox import premises
from louver_sandbox.demo.city import City
from louver_sandbox.journal import note
from louver_sandbox.operator import doctor
from louver_sandbox.operator.health import problems, warnings
from louver_sandbox.operator.main import app
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.processes.isolation import host, system_calls
from louver_sandbox.processes.isolation.confinement import ORDER, Confinement
from louver_sandbox.processes.isolation.kernel import LayerNotApplied
from louver_sandbox.processes.isolation.layers import LAYERS
from louver_sandbox.processes.isolation.levels import (
    HOST,
    KERNEL,
    LIMITS,
    Finding,
    Isolation,
    Level,
    TooLittleIsolation,
)
from louver_sandbox.processes.isolation.profiles import PROFILES
from louver_sandbox.processes.limits import LAYERS as LIMIT_LAYERS
from louver_sandbox.processes.limits import Limits
from louver_sandbox.processes.zygote import isolation_here
from louver_sandbox.service import server
from louver_sandbox.settings import LEAST_LEVELS, Settings
from louver_sandbox.store import State
from louver_sandbox.wiring import Platform

KERNEL_LAYERS = tuple(layer.name for layer in LAYERS)
HOST_LAYERS = ("own_user", "control_groups", "read_only_system", "no_swap")


def host_that_gives(*, missing: Sequence[str] = ()) -> Isolation:
    rows = [("memory", LIMITS), ("processes", LIMITS)]
    rows += [(name, KERNEL) for name in KERNEL_LAYERS] + [(name, HOST) for name in HOST_LAYERS]
    return Isolation(tuple(Finding(name, group, "", name not in missing, "") for name, group in rows))


@pytest.mark.parametrize(
    ("missing", "level"),
    [
        ((), Level.HARDENED),
        (("processes",), Level.HARDENED),
        (HOST_LAYERS, Level.DEFAULT),
        (("network_namespace",), Level.DEFAULT),
        (("landlock",), Level.DEFAULT),
        (("file_tree", *HOST_LAYERS), Level.DEFAULT),
        (("landlock", "file_tree"), Level.LIMITS),
        (("system_calls",), Level.LIMITS),
        (("capabilities",), Level.LIMITS),
        (("memory",), Level.NONE),
    ],
)
def test_a_level_is_reached_when_nothing_of_it_is_missing(missing: tuple[str, ...], level: Level) -> None:
    found = host_that_gives(missing=missing)
    assert found.level is level
    assert not found.missing_for(level)
    assert all(found.missing_for(higher) for higher in Level if higher > level)


def test_where_either_of_two_layers_would_do_both_are_named() -> None:
    found = host_that_gives(missing=("landlock", "file_tree"))
    assert found.missing_for(Level.DEFAULT) == ("landlock or file_tree",)


def test_too_little_is_refused_with_what_is_missing_and_what_to_do() -> None:
    found = host_that_gives(missing=("system_calls",))
    found.demand(Level.LIMITS)
    with pytest.raises(TooLittleIsolation, match=r"level limits.*missing: system_calls.*doctor"):
        found.demand(Level.DEFAULT)


def test_what_settings_may_demand_are_levels_above_the_limits() -> None:
    assert [Level.named(name) for name in LEAST_LEVELS] == [level for level in Level if level > Level.LIMITS]


def test_every_layer_is_tried_and_has_its_place_in_the_order() -> None:
    assert [layer.name for layer in LAYERS] == list(ORDER)
    assert (
        ORDER.index("file_tree") < ORDER.index("capabilities") < ORDER.index("landlock") < ORDER.index("system_calls")
    )


def test_a_layer_that_is_missing_here_says_why() -> None:
    found = isolation_here()
    assert {finding.layer for finding in found.findings} >= {*KERNEL_LAYERS, *HOST_LAYERS, "memory"}
    assert all(finding.holds or finding.why for finding in found.findings)


def test_a_layer_that_does_nothing_is_found_out() -> None:
    program = (
        "import os; from dataclasses import replace\n"
        "from louver_sandbox.processes.isolation.layers import LAYERS\n"
        "from louver_sandbox.processes.isolation.probe import tried\n"
        "for layer in LAYERS:\n"
        "    if layer.name != 'capabilities' or os.geteuid() == 0:\n"
        "        print(layer.name, '|', tried(replace(layer, apply=lambda: None)))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    for line in said.splitlines():
        assert line.endswith("| the forbidden act succeeded"), line


def test_the_reference_has_every_layer_profile_and_level() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "isolation.md").read_text(encoding="utf-8")
    limits = [layer.name for layer in LIMIT_LAYERS]
    for name in (*ORDER, *limits, *HOST_LAYERS, *PROFILES, *(level.title for level in Level)):
        assert f"`{name}`" in page, name


def test_a_confinement_travels_whole() -> None:
    made = Confinement(Limits(memory_mib=7), "store", ("/a",), ("/b",), frozenset({"landlock"}))
    assert Confinement.decode(json.dumps(made.encode())) == made
    assert Confinement.decode(json.dumps(Confinement().encode())) == Confinement()


def test_no_profile_allows_what_reaches_out() -> None:
    never = {
        "socket", "connect", "bind", "execve", "execveat", "fork", "vfork", "clone", "clone3", "ptrace", "kill",
        "tkill", "tgkill", "process_vm_readv", "bpf", "io_uring_setup", "memfd_create", "mount", "unshare", "setns",
        "keyctl", "prctl", "prlimit64", "ioctl", "chroot", "openat2", "shmget",
    }  # fmt: skip
    for profile in PROFILES.values():
        assert not profile.allowed & never
        assert not profile.allowed & profile.denied
    assert not PROFILES["compute"].allowed & {"open", "openat", "stat", "unlink", "rename"}


def test_without_the_library_the_filter_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system_calls, "LIBRARY", "libseccomp-of-nowhere.so")
    system_calls._library.cache_clear()
    system_calls.compiled.cache_clear()
    try:
        with pytest.raises(LayerNotApplied, match="install libseccomp"):
            system_calls.compiled("compute")
    finally:
        system_calls._library.cache_clear()


FORBIDDEN = "echo 0 > /proc/sys/user/max_user_namespaces && exec "


def on_a_host_without_namespaces(*words: str) -> subprocess.CompletedProcess[str]:
    """A command where nobody may make a namespace, as in many containers."""
    if shutil.which("unshare") is None:
        pytest.skip("no unshare command to make such a host with")
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", FORBIDDEN + '"$@"', "sh", *words]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if "unshare failed" in done.stderr or "max_user_namespaces" in done.stderr:
        pytest.skip("this host is one already")
    return done


def test_a_host_that_forbids_namespaces_is_served_by_the_other_layers() -> None:
    program = (
        "import json\n"
        "from louver_sandbox.processes.zygote import isolation_here\n"
        "found = isolation_here()\n"
        "print(json.dumps([found.level.title, {one.layer: [one.holds, one.why] for one in found.findings}]))\n"
    )
    level, layers = json.loads(on_a_host_without_namespaces(sys.executable, "-c", program).stdout)
    for name in (*(name for name in KERNEL_LAYERS if name.endswith("_namespace")), "file_tree"):
        holds, why = layers[name]
        assert not holds
        assert "unshare" in why
    assert level == ("default" if layers["landlock"][0] and layers["system_calls"][0] else "limits")


def test_a_layer_that_is_listed_and_cannot_be_put_on_ends_the_process() -> None:
    """No silent downgrade between what was found and what is used."""
    program = (
        "from louver_sandbox.processes.zygote import Zygote, ZygoteFailed\n"
        "for layers in ({'network_namespace', 'user_namespace'}, set()):\n"
        "    try:\n"
        "        with Zygote('json:loads', layers=frozenset(layers)) as zygote: zygote.start(); print('started')\n"
        "    except ZygoteFailed: print('failed')\n"
    )
    assert on_a_host_without_namespaces(sys.executable, "-c", program).stdout.split() == ["failed", "started"]


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("missing", "code"), [((), 0), (("no_swap",), doctor.EXIT_INCOMPLETE), (("system_calls",), 1)]
)
def test_the_doctors_exit_code_says_whether_to_worry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], code: int
) -> None:
    monkeypatch.setattr(doctor, "isolation_here", lambda: host_that_gives(missing=missing))
    found, said = run("doctor", "--home", str(tmp_path))
    assert found == code
    assert [line.split()[1] for line in said.splitlines() if line.startswith("missing ")] == list(missing)
    found, said = run("doctor", "--json", "--home", str(tmp_path))
    report = json.loads(said[: said.rindex("}") + 1])
    assert (found, report["serves"]) == (code, code != 1)


def test_the_doctor_judges_by_the_installations_own_least_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "isolation_here", lambda: host_that_gives(missing=("no_swap",)))
    (tmp_path / "louver.toml").write_text('[isolation]\nleast = "hardened"\n')
    code, said = run("doctor", "--home", str(tmp_path))
    assert code == 1
    assert "too little for hardened: missing no_swap" in said


def test_below_the_least_level_nothing_is_served_but_in_development(
    own_city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(premises, "isolation_here", lambda: host_that_gives(missing=("system_calls",)))
    production = replace(own_city.settings, development=False)
    assert any("missing: system_calls" in text for text in problems(production, utc_now()))
    with pytest.raises(TooLittleIsolation):
        Platform(production, utc_now, lambda error: "")
    toml = own_city.settings.home / "louver.toml"
    toml.write_text(toml.read_text().replace("development = true", "development = false"))
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", lambda settings, ready: served.append(settings))
    code, said = run("serve", "--home", str(production.home))
    assert (code, served) == (1, [])
    assert "not serving" in said
    assert run("serve", "--development", "--home", str(production.home))[0] == 0
    assert served == [replace(production, development=True)]
    development = replace(production, development=True)
    assert not any("isolation" in text for text in problems(development, utc_now()))
    assert any("development only" in text for text in warnings(development, utc_now()))
    with Platform(development, utc_now, lambda error: "") as platform:
        # Whoever writes into the log then says so, whatever the entry is about.
        note(platform.books, "test")
        (entry,) = platform.books.log.latest(None, 1, institution=None, kinds=("test",))
        assert (entry.fields["isolation"], entry.fields["development"]) == ("limits", True)


def test_with_enough_the_log_names_the_level_and_no_development(own_city: City) -> None:
    settings = replace(own_city.settings, development=False)
    with State.open(settings.state) as state:
        books = open_books(settings, state, utc_now, Level.HARDENED)
        note(books, "test")
        (entry,) = books.log.latest(None, 1, institution=None, kinds=("test",))
    assert entry.fields["isolation"] == "hardened"
    assert "development" not in entry.fields


@pytest.mark.parametrize(
    ("cgroup", "files", "said"),
    [
        ("0::/a/b\n", {"a/memory.max": "1000", "a/b/pids.max": "64"}, ""),
        ("0::/a/b\n", {"a/memory.max": "max", "a/b/pids.max": "64"}, "no control group bounds memory"),
        ("4:memory:/a\n5:pids:/a\n", {"memory/a/memory.limit_in_bytes": "1000", "pids/a/pids.max": "64"}, ""),
        (
            "4:memory:/a\n5:pids:/a\n",
            {"memory/a/memory.limit_in_bytes": str(2**63 - 4096), "pids/a/pids.max": "max"},
            "no control group bounds memory and pids",
        ),
        ("", {}, "no control group bounds memory and pids"),
    ],
)
def test_a_control_group_counts_where_it_or_one_above_it_binds(
    tmp_path: Path, cgroup: str, files: dict[str, str], said: str
) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    for name, content in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(content + "\n")
    assert host.control_groups(tmp_path / "cgroup", tmp_path / "fs") == said


def test_a_system_that_can_be_written_is_found_by_writing(tmp_path: Path) -> None:
    assert "read-only" in host.read_only_system(tmp_path)
    assert not list(tmp_path.iterdir())
    assert host.read_only_system(tmp_path / "absent") == ""
