"""What a bank pays for the client before its first question: disk and start-up time.

`install_mib` is the size of what `pip install louver` adds to a fresh virtual environment, `import_ms` the median
time of `import louver` in a fresh process less that of an empty one. Pairs run alternately.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from bench.report import arguments, report

ROOT = Path(__file__).parents[1]

STATEMENTS = {
    "import louver": "import louver",
    "louver.connect (with gRPC)": "import louver; louver.connect",
    "louver.dbapi": "import louver.dbapi",
    "the command line": "import louver.cli.app",
    "gRPC alone": "import grpc",
}
"""What is timed, by what the table calls it."""


def size(folder: Path) -> int:
    """Bytes of all files under a folder, as a file system without blocks would count them."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def installed(folder: Path) -> tuple[Path, int]:
    """A fresh environment with the client in it: its Python, and the bytes the installation added."""
    venv.EnvBuilder(with_pip=True).create(folder)
    before = size(folder)
    python = folder / "bin" / "python"
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*pip, "-c", ROOT / "constraints.txt", ROOT], check=True)
    return python, size(folder) - before


def seconds(python: Path, statement: str) -> float:
    """How long a fresh interpreter takes for the statement, start and end included."""
    begin = time.perf_counter()
    subprocess.run([python, "-c", statement], check=True)
    return time.perf_counter() - begin


def import_ms(python: Path, statement: str, pairs: int) -> float:
    """Median over pairs of the statement's time less an empty program's, in milliseconds."""
    seconds(python, statement)  # the first run writes the byte code
    differences = [seconds(python, statement) - seconds(python, "pass") for _ in range(pairs)]
    return statistics.median(differences) * 1000


def main() -> None:
    """Install, time and report."""
    pairs = 25 if arguments(__doc__ or "").full else 7
    with tempfile.TemporaryDirectory() as folder:
        print("installing the client into a fresh environment", file=sys.stderr)
        python, added = installed(Path(folder))
        times = {name: import_ms(python, statement, pairs) for name, statement in STATEMENTS.items()}
    rows: list[dict[str, object]] = [{"what": "installed", "figure": round(added / 2**20, 1), "unit": "MiB"}]
    rows += [{"what": name, "figure": round(value, 1), "unit": "ms"} for name, value in times.items()]
    figures = {
        "install_mib": round(added / 2**20, 1),
        "import_ms": round(times["import louver"], 1),
        "connect_import_ms": round(times["louver.connect (with gRPC)"], 1),
        "cli_import_ms": round(times["the command line"], 1),
        "grpc_import_ms": round(times["gRPC alone"], 1),
        "pairs": pairs,
    }
    report("client", rows, figures)


if __name__ == "__main__":
    main()
