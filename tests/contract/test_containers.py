"""Image, Compose file and chart run the service as its unit does: no root, no capability, nothing of its own to change.

Neither a Docker daemon nor Helm can be had here, so nothing is built or installed: the files are read as those tools
read them, and the chart is rendered by `tests/support/helm_chart.py`. Where `helm` is, `helm lint` judges it too.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support.helm_chart import NotRendered, loaded, render, rendered

from louver_sandbox.settings import Limits

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "louver-sandbox"
INSTRUCTIONS = {"ARG", "FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"}  # fmt: skip
USER = 10001


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's, with continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def test_the_dockerfile_has_known_instructions_and_copies_what_there_is() -> None:
    found = instructions()
    assert {name for name, _ in found} <= INSTRUCTIONS
    for name, rest in found:
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source


def test_the_image_runs_as_nobody_in_particular_and_installs_only_what_has_a_digest() -> None:
    found = instructions()
    last = [name for name, _ in found].index("FROM", 2)
    final = dict(found[last + 1 :])
    assert final["USER"] == f"{USER}:{USER}"
    assert json.loads(final["ENTRYPOINT"]) == ["louver-sandbox"]
    assert json.loads(final["CMD"]) == ["serve"]
    assert "status" in final["HEALTHCHECK"]
    installs = [rest for name, rest in found if name == "RUN" and "/usr/lib/louver/bin/pip install" in rest]
    assert any("--require-hashes" in rest and "--only-binary :all:" in rest for rest in installs)
    assert all("--require-hashes" in rest or "--no-deps" in rest for rest in installs)
    assert not any("ADD " in rest or "curl" in rest or "wget" in rest for _, rest in found)


def test_what_the_image_installs_is_pinned_as_everywhere_else_and_by_digest() -> None:
    text = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")
    pinned = re.findall(r"^([a-z0-9-]+==\S+) \\\n    --hash=sha256:[0-9a-f]{64}$", text, re.MULTILINE)
    assert len(pinned) == len(re.findall(r"^[a-z]", text, re.MULTILINE)) > 40
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = (line.partition(";")[0].strip().partition("==") for line in lines if "==" in line)
    constraints = {f"{re.sub('[_.]', '-', name.lower())}=={version}" for name, _, version in exact}
    assert set(pinned) <= constraints
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(one for extra in ("sandbox", "telemetry", "dp", "server", "postgres") for one in project["optional-dependencies"][extra])]  # fmt: skip
    names = {re.split(r"[<>=\[;]", one)[0].strip().lower().replace(".", "-") for one in wanted} - {"louver"}
    assert names <= {one.partition("==")[0] for one in pinned}


def test_the_bill_of_materials_names_everything_that_the_image_installs() -> None:
    bill = json.loads((DEPLOY / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    listed = {f"{one['name']}=={one['version']}" for one in bill["components"]}
    text = (DEPLOY / "requirements.txt").read_text(encoding="utf-8")
    assert listed == set(re.findall(r"^([a-z0-9-]+==\S+) ", text, re.MULTILINE))
    assert all(one["purl"].startswith("pkg:pypi/") for one in bill["components"])
    hashes = {each["content"] for one in bill["components"] for each in one["hashes"]}
    assert not any("externalReferences" in one for one in bill["components"]), (
        "no guesses of where it may be had from"
    )
    assert set(re.findall(r"sha256:([0-9a-f]{64})", text)) <= hashes


def confined(service: dict[str, Any]) -> bool:
    return (
        service["read_only"] is True
        and service["cap_drop"] == ["ALL"]
        and service["security_opt"] == ["no-new-privileges:true"]
        and {"mem_limit", "pids_limit"} <= service.keys()
        and not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & service.keys()
    )


def test_compose_confines_every_service_and_shows_metrics_to_prometheus_only() -> None:
    compose = loaded(DEPLOY / "compose.yaml")
    assert all(map(confined, compose["services"].values()))
    sandbox, prometheus = compose["services"]["sandbox"], compose["services"]["prometheus"]
    assert sandbox["user"] == f"{USER}:{USER}"
    assert sandbox["ports"] == ["50551:50551"], "the metrics' port is not published"
    assert sandbox["mem_limit"] == sandbox["memswap_limit"], "no swap"
    assert compose["networks"]["watch"] == {"internal": True}
    assert set(sandbox["networks"]) & set(prometheus["networks"]) == {"watch"}
    for name, service in compose["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), (name, source)
    assert (DEPLOY / sandbox["build"]["context"] / sandbox["build"]["dockerfile"]).resolve().is_file()


@pytest.mark.parametrize("metrics", [True, False])
def test_the_chart_runs_one_confined_pod_that_calls_nobody(metrics: bool) -> None:
    made = rendered(CHART, {"metrics": {"enabled": metrics}, "clients": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]})
    assert {one["kind"] for one in made.values()} == {"StatefulSet", "Service", "NetworkPolicy"}
    assert {one["metadata"]["name"] for one in made.values()} == {"city"}
    stateful = made["statefulset"]["spec"]
    pod = stateful["template"]["spec"]
    (container,) = pod["containers"]
    assert stateful["replicas"] == 1
    assert stateful["selector"]["matchLabels"].items() <= stateful["template"]["metadata"]["labels"].items()
    assert made["service"]["spec"]["selector"] == stateful["selector"]["matchLabels"]
    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, USER)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"] == "12Gi"
    assert [one["name"] for one in container["ports"]] == ["grpc", *(["metrics"] if metrics else [])]
    mounts = {one["name"] for one in container["volumeMounts"]}
    claims = {one["metadata"]["name"] for one in stateful["volumeClaimTemplates"]}
    assert mounts == claims | {one["name"] for one in pod["volumes"]}
    network = made["networkpolicy"]["spec"]
    assert (network["egress"], network["policyTypes"]) == ([], ["Ingress", "Egress"])
    assert network["ingress"][0] == {"ports": [{"port": "grpc"}], "from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}
    assert len(network["ingress"]) == 1 + metrics


def test_without_peers_or_a_storage_class_the_chart_leaves_both_out() -> None:
    made = rendered(CHART, {})
    assert "from" not in made["networkpolicy"]["spec"]["ingress"][0]
    claim = made["statefulset"]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert "storageClassName" not in claim
    named = rendered(CHART, {"storage": {"className": "fast"}})["statefulset"]["spec"]["volumeClaimTemplates"][0]
    assert named["spec"]["storageClassName"] == "fast"


def test_memory_is_enough_for_the_default_workers() -> None:
    limits = Limits()
    needed = limits.workers * (2 * limits.memory_mib + 512) + limits.checkers * 512
    given = int(rendered(CHART, {})["statefulset"]["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"].removesuffix("Gi"))  # fmt: skip
    assert needed < given * 1024


@pytest.mark.parametrize("text", ["{{ .Values.none }}", "{{ range .Values }}", "{{ .Values.a | upper }}", "{{ if .Values.a }}"])  # fmt: skip
def test_the_renderer_refuses_what_it_does_not_know(text: str) -> None:
    with pytest.raises(NotRendered):
        render(text, {"Values": {"a": 1}})


def test_helm_finds_nothing_wrong() -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("no helm on this host")
    done = subprocess.run([helm, "lint", "--strict", str(CHART)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
