"""Telemetry keeps closed lists of words, tells why a service is not well, and repeats nobody's text."""

from __future__ import annotations

import json
import logging
import os
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typer.testing import CliRunner

from louver_sandbox.operator.main import app
from louver_sandbox.telemetry.calls import Call, Ended, Passed, query_id
from louver_sandbox.telemetry.endpoint import Endpoint
from louver_sandbox.telemetry.instruments import SCRAPE_TYPE, Instruments
from louver_sandbox.telemetry.messages import FIELDS, Json
from louver_sandbox.telemetry.status import FILE, Status, found, keep

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECRET = "370202197805214321"
WELL = Status(
    serving=True,
    problems=(),
    at=NOW.isoformat(),
    since=NOW.isoformat(),
    pid=os.getpid(),
    version="1",
    address="127.0.0.1:1",
    isolation="default",
    development=False,
    bundle="b",
    log_entries=7,
    running=1,
    waiting=2,
    lanes=10,
    workers_ready=3,
    checkers_ready=2,
)


def ticking() -> Callable[[], float]:
    moments = iter(range(100))
    return lambda: float(next(moments))


def test_a_call_knows_its_stages_and_how_it_ended() -> None:
    call = Call("SandboxService/Analyse", ticking())
    call.asks("id")
    call.passed("waiting")
    for said in ("checked", "something else", "admitted"):
        call.heard(said)
    call.passed("answer")
    stages = tuple(Passed(stage, 1.0) for stage in ("waiting", "check", "commit", "answer"))
    assert call.ended() == Ended("SandboxService/Analyse", "ok", "", query_id("id"), 5.0, stages)


@pytest.mark.parametrize(
    ("told", "end"), [("refused", "refused"), ("fault", "fault"), ("", "cancelled")], ids=["refused", "fault", "gone"]
)
def test_what_a_handler_said_counts_more_than_how_it_was_left(told: str, end: str) -> None:
    call = Call("m", ticking())
    if told == "refused":
        call.refused("LVR-2101")
    if told == "fault":
        call.faulted()
    assert call.ended("cancelled").end == end


@given(st.text())
def test_what_is_no_code_is_not_repeated(text: str) -> None:
    call = Call("m")
    call.refused(text)
    assert call.ended().code == "other"


def test_counts_times_and_spans_hold_the_words_of_the_call_and_no_others() -> None:
    spans = InMemorySpanExporter()
    instruments = Instruments(spans=spans)
    instruments.gauge("louver_lanes", "lanes", "", lambda: {"": 10})
    instruments.counter("louver_messages", "messages", "level", lambda: {"error": 2})
    call = Ended("S/Analyse", "refused", "LVR-2101", "ab", 0.3, (Passed("waiting", 0.1), Passed("check", 0.2)))
    instruments.record(call)
    instruments.record(replace(call, end="fault", code=""))
    text = instruments.scrape().decode()
    assert 'louver_calls_total{end="refused",method="S/Analyse"} 1.0' in text
    assert 'louver_refusals_total{code="LVR-2101"} 1.0' in text
    assert 'louver_call_seconds_bucket{le="0.5",method="S/Analyse"} 2.0' in text
    assert 'louver_stage_seconds_sum{stage="check"} 0.4' in text
    assert "louver_lanes 10.0" in text
    assert 'louver_messages_total{level="error"} 2.0' in text
    assert "process_resident_memory_bytes" in text
    waiting, check, whole = spans.get_finished_spans()[:3]
    assert [span.name for span in (waiting, check, whole)] == ["waiting", "check", "S/Analyse"]
    assert whole.attributes == {
        "rpc.system": "grpc",
        "rpc.method": "S/Analyse",
        "louver.end": "refused",
        "louver.code": "LVR-2101",
        "louver.query": "ab",
    }
    assert check.parent == whole.context
    assert set(whole.resource.attributes) == {"service.name", "service.version"}, "nothing of this machine"
    instruments.close()


def get(address: str, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def test_the_endpoint_tells_metrics_and_health_and_repeats_no_path() -> None:
    states = [WELL, replace(WELL, serving=False, problems=("the state store does not take writes",))]
    endpoint = Endpoint("127.0.0.1", 0, lambda: b"louver_lanes 1\n", lambda: states.pop(0), SCRAPE_TYPE)
    assert get(endpoint.address, "/metrics") == (200, b"louver_lanes 1\n")
    code, body = get(endpoint.address, "/healthz")
    assert (code, Status.from_json(body.decode())) == (200, WELL)
    code, body = get(endpoint.address, "/healthz")
    assert code == 503
    assert json.loads(body)["problems"] == ["the state store does not take writes"]
    code, body = get(endpoint.address, f"/{SECRET}")
    assert code == 404
    assert SECRET.encode() not in body
    endpoint.close()


def test_a_status_is_believed_while_its_process_lives_and_it_is_fresh(tmp_path: Path) -> None:
    assert found(tmp_path, NOW) == (None, "no service has run here")
    keep(WELL, tmp_path)
    assert found(tmp_path, NOW + timedelta(seconds=9)) == (WELL, "")
    assert "said nothing for 60 s" in found(tmp_path, NOW + timedelta(seconds=60))[1]
    assert "said nothing" in found(tmp_path, NOW - timedelta(hours=1))[1], "a clock that stepped back"
    keep(replace(WELL, pid=2**22 + 1), tmp_path)
    assert "is gone" in found(tmp_path, NOW)[1]
    for broken in ("", "{}", "[]", '{"problems": 1}', '{"problems": [], "more": 1}'):
        (tmp_path / FILE).write_text(broken)
        assert found(tmp_path, NOW) == (None, "run/status.json cannot be read")


@pytest.mark.parametrize(
    ("told", "code"),
    [(WELL, 0), (replace(WELL, problems=("what is due fails",)), 3), (replace(WELL, serving=False), 1), (None, 1)],
    ids=["well", "with a problem", "not serving", "never ran"],
)
def test_status_exits_as_the_service_is(tmp_path: Path, told: Status | None, code: int) -> None:
    (tmp_path / "louver.toml").write_text("")
    (tmp_path / "run").mkdir()
    if told is not None:
        keep(replace(told, at=datetime.now(UTC).isoformat()), tmp_path / "run")
    done = CliRunner().invoke(app, ["status", "--home", str(tmp_path)])
    assert done.exit_code == code
    for problem in told.problems if told else ("no service has run here",):
        assert problem in done.output


@given(st.text(), st.text())
def test_a_message_is_one_line_of_ascii_whatever_is_in_it(text: str, value: str) -> None:
    record = logging.LogRecord("louver", logging.INFO, "f.py", 1, text, None, None)
    setattr(record, FIELDS, {"query": value})
    line = Json().format(record)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert (told["message"], told["query"], told["level"]) == (text, value, "info")


def test_the_words_of_an_exception_are_not_told() -> None:
    try:
        raise ValueError(f"Could not convert string '{SECRET}'")
    except ValueError:
        record = logging.LogRecord("louver", logging.ERROR, "f.py", 1, "incident %s", ("abc",), sys.exc_info())
    line = Json().format(record)
    assert SECRET not in line
    told = json.loads(line)
    assert (told["message"], told["error"]) == ("incident abc", "ValueError")
    assert told["at"][0].startswith("test_telemetry.py:")
