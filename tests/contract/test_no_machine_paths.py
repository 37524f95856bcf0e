"""No file of the project names a path of the machine it was written on: it must work anywhere."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).name
MACHINE = re.compile(
    "|".join((r"/[w]ork/", r"/[r]oot/", r"/home/[a-z]", r"/tmp/[a-z]", r"/opt/[a-z]", r"file:///[a-z]"))
)


def tracked() -> list[Path]:
    """Every file that is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.splitlines()]


def test_no_absolute_path_of_a_machine() -> None:
    found = []
    for path in tracked():
        if path.name == HERE or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in MACHINE.finditer(text)]
    assert found == []
