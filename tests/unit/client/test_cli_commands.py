"""The command ``louver`` as a shell sees it: data on standard output, talk on standard error, exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.sandbox_simulator import LogSimulator, Simulation, Trouble
from tests.unit.client.conftest import DISTRICTS, FORBIDDEN, districts
from typer.testing import CliRunner, Result

from louver.catalogue import MADE_UP
from louver.cli.app import app
from louver.v1 import sandbox_pb2 as pb

Run = Callable[..., Result]


@pytest.fixture
def louver(sandbox: Simulation) -> Run:
    runner = CliRunner(env={**sandbox.environment(), "LOUVER_LANG": "en", "TERMINAL_WIDTH": "100"})

    def run(*arguments: str | Path, **options: str) -> Result:
        return runner.invoke(app, [str(argument) for argument in arguments], **options)  # type: ignore[arg-type]  # only text input

    return run


def test_a_pipe_gets_csv_and_the_talk_goes_elsewhere(louver: Run) -> None:
    result = louver("query", DISTRICTS)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "district,n,total,since",
        "市南区,1200,-12.50,2025-01-01",
        "城阳区,,,",
        ",7,99999999999999999999999999999999999.99,1970-01-01",
    ]
    assert "note LVR-N01: 2 cells were withheld" in result.stderr
    assert "cost 1 query | receipt verified" in result.stderr


def test_sql_comes_from_an_argument_a_file_or_standard_input(louver: Run, tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text(DISTRICTS)
    outputs = {
        louver("query", DISTRICTS).stdout,
        louver("query", "-f", tmp_path / "q.sql").stdout,
        louver("query", "-", input=DISTRICTS).stdout,
        louver("query", input=DISTRICTS).stdout,
    }
    assert len(outputs) == 1
    assert louver("query", DISTRICTS, "-f", tmp_path / "q.sql").exit_code == 2
    assert louver("query", "-f", tmp_path / "absent.sql").exit_code == 2


@pytest.mark.parametrize("command", ["query", "explain"])
def test_what_cannot_be_a_question_is_never_sent(
    louver: Run, sandbox: Simulation, tmp_path: Path, command: str
) -> None:
    (tmp_path / "blank.sql").write_text("\n")
    for arguments in ((command,), (command, "-"), (command, " "), (command, "-f", tmp_path / "blank.sql")):
        result = louver(*arguments, "--purpose", "RESEARCH", input=" \n")
        assert (result.exit_code, "there is no SQL" in result.stderr) == (2, True)
    result = louver(command, DISTRICTS, "--purpose", "")
    assert (result.exit_code, "there is no purpose" in result.stderr, "--purpose" in result.stderr) == (2, True, True)
    assert sandbox.service.asked == []


def test_a_file_whose_ending_names_no_format_is_not_written(louver: Run, sandbox: Simulation, tmp_path: Path) -> None:
    result = louver("query", DISTRICTS, "-o", tmp_path / "a.parquet")
    assert (result.exit_code, ".csv, .json, .arrow" in result.stderr) == (2, True)
    assert not (tmp_path / "a.parquet").exists()
    assert sandbox.service.asked == []
    assert louver("query", DISTRICTS, "-o", tmp_path / "a.txt", "--format", "csv").exit_code == 0


def test_every_format_and_file(louver: Run, tmp_path: Path) -> None:
    document = json.loads(louver("query", DISTRICTS, "--format", "json").stdout)
    assert document["rows"][0] == ["市南区", 1200, "-12.50", "2025-01-01"]
    assert document["notices"][0]["code"] == "LVR-N01"
    assert document["verified"] is True
    table = louver("query", DISTRICTS, "--format", "table").stdout
    assert "城阳区" in table
    assert "99999999999999999999999999999999999.99" in table
    assert louver("query", DISTRICTS, "-o", tmp_path / "a.arrow").exit_code == 0
    assert pa.ipc.open_stream((tmp_path / "a.arrow").read_bytes()).read_all() == districts()
    stream = louver("query", DISTRICTS, "--format", "arrow").stdout_bytes
    assert pa.ipc.open_stream(io.BytesIO(stream)).read_all() == districts()
    assert louver("query", DISTRICTS, "-o", tmp_path / "no" / "a.csv").exit_code == 2


def test_purpose_and_parameters_are_sent(louver: Run, sandbox: Simulation) -> None:
    louver("query", DISTRICTS, "--purpose", "research", "--param", "d:date=2025-01-01", "--param", "s=x")
    (question,) = sandbox.service.asked
    assert question.purpose == "research"
    assert (question.parameters["d"].date, question.parameters["s"].text) == ("2025-01-01", "x")


def test_a_refusal_points_and_exits_with_1(louver: Run) -> None:
    result = louver("query", FORBIDDEN)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "  1 | SELECT name\n    |        ^\n" in result.stderr
    assert "hint: count or group instead" in result.stderr
    assert "rule: negative-list @ hukou-credit@3" in result.stderr
    assert "name 列可识别个人" in louver("--lang", "zh", "query", FORBIDDEN).stderr


def test_other_ends_have_other_codes(louver: Run, sandbox: Simulation, tmp_path: Path) -> None:
    assert louver("query", DISTRICTS, "--param", "d:date=soon").exit_code == 2
    assert louver("query", "--no-such-option").exit_code == 2
    assert louver("--certificate", tmp_path / "absent.pem", "tables").exit_code == 2
    sandbox.service.troubles.append(Trouble.FAULT)
    fault = louver("query", DISTRICTS)
    assert (fault.exit_code, "inc-17" in fault.stderr) == (3, True)
    sandbox.service.troubles.append(Trouble.OTHER_RECEIPT)
    assert louver("query", DISTRICTS).exit_code == 4


def test_verification_is_given_up_only_aloud(louver: Run, sandbox: Simulation) -> None:
    sandbox.service.troubles.append(Trouble.OTHER_RECEIPT)
    result = louver("--unsafe-no-verify", "query", DISTRICTS)
    assert result.exit_code == 0
    assert "WARNING: receipts are not verified" in result.stderr


def test_explain_gives_a_verdict_and_spends_nothing(louver: Run, sandbox: Simulation) -> None:
    good = louver("explain", DISTRICTS)
    assert good.exit_code == 0
    assert "threshold" in good.stdout
    assert "hukou.person.district (group by)" in good.stdout
    assert json.loads(louver("explain", DISTRICTS, "--json").stdout)["admitted"] is True
    bad = louver("explain", FORBIDDEN)
    assert bad.exit_code == 1
    assert "    |        ^" in bad.stdout
    assert sandbox.service.charged == {}


def test_explain_says_how_each_column_leaves_and_what_runs_in_both_languages(louver: Run) -> None:
    english = louver("explain", DISTRICTS).stdout
    for said in ("n  integer  number of rows", "units: 10 persons", "CELLS_UNTOLD: groups may be missing"):
        assert said in english
    assert "1 query; left today afterwards: 41" in english
    assert english.rstrip().endswith('then, over released rows\nSELECT "n" FROM "released1"')
    chinese = louver("--lang", "zh", "explain", DISTRICTS).stdout
    for said in (
        "作答方式",
        "n  integer  行数",
        "units: 10 个自然人",
        "CELLS_UNTOLD: 可能有分组未列出",
        "此后今日剩余",
    ):
        assert said in chinese
    assert "number of rows" not in chinese
    document = json.loads(louver("explain", DISTRICTS, "--json").stdout)
    assert document["outcomes"][0]["kind"] == "count"
    assert document["rules"][0]["count"] == 10
    assert document["shape"] == 'SELECT "n" FROM "released1"'


def test_a_refused_explanation_as_json_has_its_place_and_both_languages(louver: Run) -> None:
    refusal = json.loads(louver("explain", FORBIDDEN, "--json").stdout)["refusal"]
    assert {"code", "message", "message_zh", "line", "column"} <= refusal.keys()


def test_columns_are_shown_with_what_may_be_done_under_each_treatment(
    louver: Run, sandbox: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = pb.Permission(treatment="exact", rights=["filter"], purposes=["LOAN"], rows="grade = 'A'")
    protected = pb.Permission(treatment="threshold", rights=["aggregate (count)"], purposes=["LOAN", "DUTY"])
    grade = pb.Column(name="grade", type="text", level=3, role="qi", permissions=[exact, protected])
    secret = pb.Column(name="secret", type="text", level=5)
    table = pb.Table(schema="gov", name="tax", space="government", purposes=["DUTY", "LOAN"], columns=[grade, secret])
    monkeypatch.setattr(sandbox.service, "catalogue", [table])
    lines = [line.split() for line in louver("tables", "gov.tax").stdout.splitlines() if line.strip()]
    assert ["grade", "text", "3", "qi", "exact", "filter", "LOAN", "grade", "=", "'A'"] in lines
    assert ["threshold", "aggregate", "(count)", "all"] in lines
    assert ["secret", "text", "5", "nothing"] in lines
    shown = json.loads(louver("tables", "gov.tax", "--json").stdout)[0]["columns"][0]["permissions"]
    assert shown[0]["rows"] == "grade = 'A'"


def test_tables_are_searched_and_sampled(louver: Run, sandbox: Simulation) -> None:
    """By words, department, theme and level; a sample is made up from the declaration, and says so."""
    tax = pb.Column(name="uscc", type="text", level=1, element="uscc", description="统一社会信用代码")
    fund = pb.Column(name="balance", type="decimal(2)", level=4, bounds="[0, 100]")
    sandbox.service.catalogue.extend(
        [
            pb.Table(schema="gov", name="levy", title="税费申报", owner="市税务局", themes=["税务"], columns=[tax]),
            pb.Table(
                schema="gov", name="fund", title="公积金", owner="市公积金中心", themes=["住房"], columns=[fund]
            ),
        ]
    )

    def named(*options: str) -> list[str]:
        return [one["name"] for one in json.loads(louver("tables", "--json", *options).stdout)]

    assert {"levy", "fund"} <= set(named())
    assert named("--search", "税务局 信用代码") == ["levy"]
    assert named("--search", "nothing like it") == []
    assert named("--department", "市公积金中心") == named("--theme", "住房") == named("--level", "4") == ["fund"]
    assert named("--search", "申报", "--theme", "住房") == []

    shown = louver("tables", "gov.levy", "--sample")
    assert shown.exit_code == 0
    assert "uscc" in shown.stdout
    assert MADE_UP in shown.stdout
    assert "37029" in shown.stdout, "a county that is nobody's"
    (made,) = json.loads(louver("tables", "gov.fund", "--sample", "--json").stdout)
    assert all(0 <= float(value) <= 100 for (value,) in made["rows"])
    assert louver("tables", "gov.levy", "--sample").stdout == shown.stdout, "the same for everybody"
    alone = louver("tables", "--sample")
    assert (alone.exit_code, "a sample is of one table" in alone.stderr) == (2, True)
    del sandbox.service.catalogue[-2:]


def test_own_tables_from_upload_to_drop(louver: Run, tmp_path: Path) -> None:
    (tmp_path / "loans.csv").write_text("loan,amount\n1,10\n2,20\n")
    assert "bank_a.loan_book: 2 rows" in louver("upload", "loan_book", tmp_path / "loans.csv").stdout
    assert louver("upload", "loan_book", tmp_path / "loans.csv").exit_code == 1
    assert louver("upload", "loan_book", tmp_path / "loans.csv", "--replace").exit_code == 0
    assert "bank_a.loan_book" in louver("tables", "--own").stdout
    assert "amount" in louver("tables", "loan_book").stdout
    assert json.loads(louver("tables", "--json").stdout)[0]["name"] == "loan_book"
    assert louver("tables", "absent").exit_code == 2
    assert louver("drop", "loan_book").exit_code == 0
    assert louver("drop", "loan_book").exit_code == 1


def test_history_and_head(louver: Run, sandbox: Simulation) -> None:
    louver("query", DISTRICTS)
    assert sandbox.service.asked[0].request_id in louver("history", "-n", "3").stdout
    assert json.loads(louver("history", "--json").stdout)[0]["sql"] == DISTRICTS
    assert "signature verified" in louver("head").stdout


def test_a_receipt_is_verified_offline(louver: Run, sandbox: Simulation, tmp_path: Path) -> None:
    receipt, sql, result = tmp_path / "a.receipt", tmp_path / "q.sql", tmp_path / "a.arrow"
    sql.write_text(DISTRICTS)
    assert louver("query", "-f", sql, "--receipt", receipt, "-o", result).exit_code == 0
    offline = CliRunner(env={"LOUVER_CONFIG": str(tmp_path / "none.toml"), "LOUVER_LANG": "en"})

    def verify(*options: str | Path) -> Result:
        return offline.invoke(app, ["receipt", "verify", str(receipt), *map(str, options)])

    (tmp_path / "log.pub").write_text(sandbox.log_key + "\n")
    proven = verify("--log-key", tmp_path / "log.pub", "--sql", sql, "--result", result)
    assert proven.exit_code == 0
    assert "proven: entry 0" in proven.stdout
    assert "SQL: the one in the entry" in proven.stdout
    assert "SQL: not checked, pass --sql" in verify("--log-key", sandbox.log_key).stdout
    sql.write_text(DISTRICTS + " ")
    assert verify("--log-key", sandbox.log_key, "--sql", sql).exit_code == 4
    result.write_bytes(result.read_bytes()[:-1])
    assert verify("--log-key", sandbox.log_key, "--result", result).exit_code == 4
    other = str(LogSimulator(sandbox.service.log.key.name).key)
    assert verify("--log-key", other).exit_code == 4
    assert verify().exit_code == 2
    assert '"kind": "outcome"' in offline.invoke(app, ["receipt", "show", str(receipt)]).stdout
    again = louver("receipt", "get", sandbox.service.asked[0].request_id, "-o", tmp_path / "b.receipt")
    assert again.exit_code == 0
    receipt.write_bytes(b"not a receipt")
    assert verify("--log-key", sandbox.log_key).exit_code == 4


def test_configuration_is_shown_and_checked(louver: Run, sandbox: Simulation) -> None:
    path = Path(louver("config", "path").stdout.strip())
    assert path == Path(os.environ["LOUVER_CONFIG"])
    assert "(does not exist)" in louver("config", "show").stdout
    path.write_text(f'[profiles.a]\ntarget = "{sandbox.target}"\nkey = "a.key"\n')
    shown = louver("config", "show").stdout
    assert str(path.parent / "a.key") in shown
    checked = louver("config", "check")
    assert checked.exit_code == 0
    assert "signature verified" in checked.stdout
    path.write_text("[profiles")
    assert louver("config", "show").exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        "query",
        "explain",
        "upload",
        "tables",
        "drop",
        "history",
        "head",
        "receipt verify",
        "receipt show",
        "config check",
    ],
)
def test_every_command_helps_with_an_example(louver: Run, command: str) -> None:
    result = louver(*command.split(), "--help")
    assert result.exit_code == 0
    assert "Example: louver" in result.stdout


def test_a_reader_that_goes_away_is_met_with_silence(sandbox: Simulation) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from louver.cli import main; main()", "query", DISTRICTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **sandbox.environment(), "LOUVER_LANG": "en"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(30) == 141
    assert complaints == b""
