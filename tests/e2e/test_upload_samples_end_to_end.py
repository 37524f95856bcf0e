"""A sample of an encrypted upload from the auditor's seed to the proved numbers, by the commands that people give."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.e2e.soundness import entries
from tests.support.installation import Service, copy_of, service, with_limits
from typer.testing import CliRunner, Result

from louver.cli.app import app
from louver.sealing.keys import generate_key
from louver_sandbox.demo.city import City
from louver_sandbox.operator.auditors import add_auditor
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.main import app as operator
from louver_sandbox.premises import utc_now

ROWS = 80
LOANS = pa.table(
    {
        "id_no": [f"91370200MA{row:07d}X" for row in range(ROWS)],
        "balance": pa.array([f"{1000 + row}.25" for row in range(ROWS)]).cast(pa.decimal128(18, 2)),
        "days": [row % 7 for row in range(ROWS)],
    }
)


@pytest.fixture(scope="module")
def served(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    own = copy_of(city, tmp_path_factory.mktemp("samples"))
    with_limits(own, randomisers=1)
    add_auditor(own.settings, "audit_office", "市审计局", TOOLS)
    with service(own) as running, running.connect("bank_a", purpose="MODEL_BUILD") as bank:
        key = generate_key(2048, below=random.Random(31).randrange)
        bank.settings.key_ring.add(key, utc_now())
        bank.register_key(key)
        bank.upload("loans", LOANS, encrypted={"balance": 2, "days": 0})
        yield running


def run(served: Service, who: str, *words: str) -> Result:
    authority, key, certificate = served.files(who)
    home = served.city.settings.home
    environment = {
        "LOUVER_TARGET": served.address, "LOUVER_CERTIFICATE": str(certificate), "LOUVER_KEY": str(key),
        "LOUVER_CA": str(authority), "LOUVER_LOG_KEY": str(home / "log.pub"), "LOUVER_LANG": "en",
        "LOUVER_KEYS": str(home / "clients" / "bank_a-keys"), "LOUVER_KEY_PASSPHRASE": "demonstration",
        "LOUVER_CONFIG": str(home / "none.toml"),
    }  # fmt: skip
    return CliRunner().invoke(app, list(words), env=environment)


def test_from_a_seed_to_proved_numbers(served: Service, tmp_path: Path) -> None:
    request, sample, openings, table = (
        str(tmp_path / name) for name in ("request.json", "sample.json", "openings.json", "loans.parquet")
    )
    home = str(served.city.settings.home)
    pq.write_table(LOANS, table)
    (uploaded,) = entries(served.city, kind="upload")
    drawn = run(served, "audit_office", "samples", "draw", str(uploaded["index"]), "--rows", "12", "-o", request)
    assert drawn.exit_code == 0, drawn.output
    handed = CliRunner().invoke(operator, ["uploads", "sample", request, "-o", sample, "--home", home])
    assert handed.exit_code == 0, handed.output
    (noted,) = entries(served.city, kind="upload_sample")
    assert (noted["digest"], noted["rows"], noted["institution"]) == (uploaded["digest"], 12, "bank_a")
    assert noted["seed"] == json.loads(Path(request).read_text())["seed"]
    shown = run(served, "bank_a", "samples", "open", sample, table, "-o", openings)
    assert shown.exit_code == 0, shown.output
    assert Path(openings).stat().st_mode & 0o077 == 0
    files = (request, sample, openings)
    proved = run(served, "audit_office", "samples", "check", *files, "--most", "balance=5000", "--most", "days=6")
    assert proved.exit_code == 0, proved.output
    assert "24 numbers proved" in proved.output
    above = run(served, "audit_office", "samples", "check", *files, "--most", "balance=1000", "--most", "days=6")
    assert above.exit_code == 1
    assert "12 above their bound" in above.output
    lie = json.loads(Path(openings).read_text())
    lie["rows"][0][0][0] = "100000"
    Path(openings).write_text(json.dumps(lie))
    unproved = run(served, "audit_office", "samples", "check", *files, "--most", "balance=5000", "--most", "days=6")
    assert unproved.exit_code == 4, unproved.output


def test_what_is_no_upload_or_no_longer_there_is_told(served: Service, tmp_path: Path) -> None:
    request, home = tmp_path / "request.json", str(served.city.settings.home)
    nothing = run(served, "audit_office", "samples", "draw", "0", "-o", str(request))
    assert nothing.exit_code == 2
    assert "no encrypted upload" in nothing.output
    (uploaded,) = entries(served.city, kind="upload")
    told = {
        "format": "louver-upload-sample-request/1", "institution": "bank_a", "table": "loans",
        "content": uploaded["digest"], "rows": ROWS, "count": 3, "seed": "07" * 32,
    }  # fmt: skip
    before = len(entries(served.city, kind="upload_sample"))
    for change in ({"table": "other"}, {"institution": "bank_b"}, {"content": "0" * 64}, {"rows": ROWS + 1}):
        request.write_text(json.dumps(told | change))
        output = str(tmp_path / "sample.json")
        refused = CliRunner().invoke(operator, ["uploads", "sample", str(request), "-o", output, "--home", home])
        assert refused.exit_code == 1
        assert "never such an upload" in refused.output
        assert not Path(output).exists()
    assert len(entries(served.city, kind="upload_sample")) == before
    assert run(served, "bank_a", "samples", "draw", str(uploaded["index"]), "-o", str(request)).exit_code == 1
