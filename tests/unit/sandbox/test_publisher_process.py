"""The publisher runs as a process of its own, binds its predicates like queries, and tells what it made or why not."""

import io
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from tests.support.catalogs import FIRM_YAML, declarations, demo_catalog

from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.load import load_catalog, read_declarations
from louver_sandbox.policy.grants import GrantSet
from louver_sandbox.publishing.predicates import predicate_sql
from louver_sandbox.publishing.publish_main import Job, decode_job, published_by_process, run
from louver_sandbox.publishing.publisher import PublishRefused, Resources, snapshot_path
from louver_sandbox.publishing.record_keys import create_key
from louver_sandbox.publishing.registration import check_registration

FIRM = TableName("gov", "firm")
KEY = b"0123456789abcdef0123456789ABCDEF"
DATED = FIRM_YAML.replace("rows_per_unit: 1}", "rows_per_unit: unbounded, when: \"section IN ('A', 'B')\"}") + (
    "  since: {type: date, nullable: true, level: L3, role: time}\n"
)
ROWS = """
SELECT 'U' || i AS uscc, ['A', 'B'][i % 2 + 1] AS section, i::DECIMAL(9,2) AS amount,
       DATE '2026-06-30' - (i * 100)::INTEGER AS since
FROM range(20) t(i)
"""


def job(folder: Path, text: str = DATED, row_filter: str | None = None, rows: str = ROWS) -> Job:
    (folder / "gov.firm").mkdir(exist_ok=True)
    duckdb.connect().execute(f"COPY ({rows}) TO '{folder}/gov.firm/part.parquet' (FORMAT parquet)")
    if not (folder / "record.key").exists():
        create_key(folder / "record.key", randomness=lambda count: KEY[:count])
    grants = (GrantSet(FIRM, ("amount", "since"), row_filter),)
    paths = tuple(declarations(folder, text))
    return Job(paths, folder, folder / "record.key", folder / "snapshots", grants, Resources(1, 512))


def outcome(work: Job) -> tuple[int, list[dict[str, object]]]:
    target = io.StringIO()
    status = run(io.StringIO(work.encode()), target)
    return status, [json.loads(line) for line in target.getvalue().splitlines()]


def test_the_process_publishes_and_the_filter_knows_the_date_of_the_data(tmp_path: Path) -> None:
    work = job(tmp_path, row_filter="since >= :as_of - INTERVAL 1 YEAR AND section = 'A'")
    (made,) = published_by_process(work)
    assert (made.table, made.rows) == (FIRM, 2)
    with duckdb.connect(str(snapshot_path(work.folder, made.id)), read_only=True) as connection:
        assert connection.execute("SELECT amount::VARCHAR FROM data ORDER BY 1").fetchall() == [("0.00",), ("2.00",)]


def test_the_job_names_the_key_s_file_and_never_holds_the_key(tmp_path: Path) -> None:
    work = job(tmp_path)
    assert KEY.decode() not in work.encode()
    assert decode_job(work.encode()) == work


def test_a_refusal_in_the_process_is_a_refusal_here(tmp_path: Path) -> None:
    work = job(tmp_path, row_filter="nobody = 1")
    with pytest.raises(PublishRefused, match="LVR-1"):
        list(published_by_process(work))
    assert not list(work.folder.glob("*.duckdb"))


def test_every_failure_is_told_in_our_words(tmp_path: Path) -> None:
    canary = "CANARY_VALUE_7"
    work = job(tmp_path)
    (tmp_path / "gov.firm" / "part.parquet").write_text(canary)
    status, told = outcome(work)
    assert (status, told) == (1, [{"event": "refused", "reason": "the engine could not build the snapshot"}])
    (tmp_path / "record.key").chmod(0o644)
    status, told = outcome(work)
    assert (status, told[-1]["event"]) == (1, "refused")
    assert "0600" in str(told[-1]["reason"])


FULL_DISK = """
import resource, signal, sys
from louver_sandbox.publishing.publish_main import run
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
sys.exit(run(sys.stdin, sys.stdout))
"""


def test_a_disk_that_is_full_is_a_refusal_and_leaves_nothing(tmp_path: Path) -> None:
    work = job(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK], input=work.encode(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, json.loads(done.stdout)["event"]) == (1, "refused")
    assert list(work.folder.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"grants": 5}', "null", '{"grants": [{}]}'])
def test_what_is_no_job_is_refused(text: str) -> None:
    with pytest.raises(PublishRefused, match="not a publication job"):
        decode_job(text)


class TestRegistration:
    def test_predicates_are_bound_and_emitted_like_queries(self) -> None:
        table = demo_catalog().tables[TableName("gov", "pen_penalty")]
        for column in table.columns:
            assert predicate_sql(table, column.when[0].predicate).startswith("(")

    def test_predicates_and_views_of_the_demo_are_valid(self) -> None:
        problems = check_registration(demo_catalog())
        assert {problem.message for problem in problems} == {"no file is there"}, "only the data are missing"

    def test_a_predicate_that_is_not_one_is_shown_at_its_line(self, tmp_path: Path) -> None:
        work = job(tmp_path, DATED.replace("section IN ('A', 'B')", "secton = 'A'"))
        catalog = load_catalog(work.catalog, tmp_path)
        (problem,) = check_registration(catalog, declared=read_declarations(work.catalog)[0])
        assert (problem.path, problem.line) == ("table1.yaml", 13)
        assert problem.message.startswith("the predicate is refused: LVR-1")

    @pytest.mark.parametrize(
        ("view", "message"),
        [
            ("SELECT uscc FROM gov.nothing", "the view's query is refused: LVR-1101"),
            ("DROP TABLE gov.firm", "the view's query is refused: LVR-1"),
            ("SELECT section AS uscc2 FROM gov.firm", "the view's query offers no column of this name and type text"),
            ("SELECT amount AS uscc FROM gov.firm", "the view's query offers no column of this name and type text"),
        ],
    )
    def test_a_view_that_does_not_give_what_it_declares(self, tmp_path: Path, view: str, message: str) -> None:
        head, _, _ = FIRM_YAML.partition("columns:")
        text = head.replace("gov.firm\n", "gov.seen\n").replace(
            "source: {kind: parquet, path: gov.firm/*.parquet}", f"view: {view}"
        )
        paths = declarations(
            tmp_path, FIRM_YAML, text + "columns:\n  uscc: {type: text, nullable: false, level: L1, role: id}\n"
        )
        (problem,) = check_registration(load_catalog(paths, tmp_path), declared=read_declarations(paths)[0])
        assert problem.path == "table2.yaml"
        assert problem.message.startswith(message)

    def test_bounds_are_a_warning_only(self, tmp_path: Path) -> None:
        work = job(tmp_path, DATED.replace("bounds: [0, 100]", "bounds: [0, 5]"))
        catalog = load_catalog(work.catalog, tmp_path)
        assert check_registration(catalog) == ()
        (problem,) = check_registration(catalog, warnings=True)
        assert problem.message == "14 rows are outside the bounds"
