"""Writes what the container image installs: exact versions from constraints.txt, each file by its SHA-256.

    python -m tests.support.lock deploy/requirements.txt
    python -m tests.support.lock --bill deploy/sbom.cdx.json

pip itself decides, as it would on the machine that runs this (CPython 3.11 on Linux x86-64 for the image).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
WANTED = ".[sandbox,server,dp,telemetry,postgres]"
HEAD = """\
# What the container image installs: the versions of constraints.txt, each file by its SHA-256 (CPython 3.11, Linux x86-64).
# Made by `make lock`; pip takes nothing else (`--require-hashes`).
"""


def lines() -> list[str]:
    """The requirements, by name. CalledProcessError where pip finds none that fit."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    done = subprocess.run(
        [*command, "-c", "constraints.txt", WANTED], cwd=ROOT, check=True, capture_output=True, text=True
    )
    found = []
    for item in json.loads(done.stdout)["install"]:
        name = re.sub(r"[_.]", "-", item["metadata"]["name"].lower())
        if name != "louver":
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            found.append(f"{name}=={item['metadata']['version']} \\\n    --hash=sha256:{digest}\n")
    return sorted(found)


def bare(bill: dict[str, Any]) -> dict[str, Any]:
    """The bill with the digest at each component and no guesses of where files may be had from."""
    for component in (*bill["components"], *bill["metadata"]["tools"]["components"]):
        found = component.pop("externalReferences", [])
        digests = [digest for one in found for digest in one.get("hashes", [])]
        if digests:
            component["hashes"] = digests
    return bill


if __name__ == "__main__":
    if sys.argv[1] == "--bill":
        place = Path(sys.argv[2])
        kept = bare(json.loads(place.read_text(encoding="utf-8")))
        place.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    else:
        Path(sys.argv[1]).write_text(HEAD + "".join(lines()), encoding="utf-8")
