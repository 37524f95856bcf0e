"""What a running service tells its operator is true, and holds nothing of what was asked."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as traces
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as traces_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from tests.e2e.conftest import raw_stub
from tests.support.installation import copy_of, eventually, service
from typer.testing import CliRunner

from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.demo.city import City
from louver_sandbox.operator.main import app
from louver_sandbox.premises import utc_now
from louver_sandbox.telemetry.calls import query_id

PERSON, AMOUNT, ALIAS, UPLOADED = "370202197805214321", "71234567", "planted_alias", "planted_table"
TABLE, COLUMN, PURPOSE, BANK = "ent_registry", "district_code", "RESEARCH", "bank_a"
PLANTED = (PERSON, AMOUNT, ALIAS, UPLOADED, TABLE, COLUMN, PURPOSE, BANK, "SELECT", "planted-metadata")
ASKED = uuid.UUID(hex=PERSON + "4abc8def0123ab")
"""A request id that holds a person's number."""
DOCUMENTED = Path(__file__).parents[2] / "docs" / "reference" / "telemetry.md"


class Collector(traces_grpc.TraceServiceServicer, metrics_grpc.MetricsServiceServicer):
    """An OpenTelemetry collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.raw: list[bytes] = []
        self._server = grpc.server(ThreadPoolExecutor(2))
        traces_grpc.add_TraceServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call] # generated
        metrics_grpc.add_MetricsServiceServicer_to_server(self, self._server)  # type: ignore[no-untyped-call] # generated
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def Export(self, request: object, context: object) -> object:  # noqa: N802
        """Both services call it so."""
        if isinstance(request, traces.ExportTraceServiceRequest):
            self.raw.append(request.SerializeToString())
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            return traces.ExportTraceServiceResponse()
        assert isinstance(request, metrics.ExportMetricsServiceRequest)
        self.raw.append(request.SerializeToString())
        return metrics.ExportMetricsServiceResponse()

    def close(self) -> None:
        self._server.stop(None).wait()


@dataclass
class Told:
    """Everything that came out of one run of a service."""

    scrape: str
    health: dict[str, object]
    lost: int
    messages: list[dict[str, object]]
    spans: list[Span]
    raw: list[bytes]
    running: tuple[int, str]
    after: tuple[int, str]
    everything: bytes = field(default=b"")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        return error.code, error.read()


def asked(home: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["status", "--json", "--home", str(home)])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def told(city: City, tmp_path_factory: pytest.TempPathFactory) -> Told:
    own = copy_of(city, tmp_path_factory.mktemp("watched"))
    home, port, collector = own.settings.home, free_port(), Collector()
    text = (home / "louver.toml").read_text(encoding="utf-8")
    telemetry = f'[telemetry]\nport = {port}\notlp = "{collector.address}"\nmessages = "json"\n'
    (home / "louver.toml").write_text(text + telemetry, encoding="utf-8")
    with service(own) as served:
        with served.connect(BANK, purpose=PURPOSE) as bank:
            sql = f"SELECT {COLUMN} AS {ALIAS}, count(*) AS n FROM gov.{TABLE} WHERE reg_capital_wan < {AMOUNT} GROUP BY 1"
            assert bank.analyse(sql, request_id=str(ASKED)).rows
            with pytest.raises(Refused):
                bank.analyse(f"SELECT uscc FROM gov.tax_credit WHERE uscc = '{PERSON}'")
            with pytest.raises(Refused):
                bank.drop(UPLOADED)
        channel, stub = raw_stub(served, BANK)
        with channel:
            question = pb.Question(request_id=PERSON, purpose=PERSON, sql=f"SELECT {PERSON}", signature=b"no")
            question.expires = (utc_now() + timedelta(minutes=1)).isoformat()
            joined = (("traceparent", "planted-metadata"),)
            with pytest.raises(grpc.RpcError):
                list(stub.Analyse(pb.AnalyseRequest(question=question), metadata=joined))
        assert eventually(lambda: 'method="SandboxService/DropTable"' in get(port, "/metrics")[1].decode())
        scrape, health, lost = get(port, "/metrics"), get(port, "/healthz"), get(port, f"/{PERSON}")
        assert scrape[0] == health[0] == 200
        running = asked(home)
    collector.close()
    written = (home / "service.log").read_text(encoding="utf-8")
    messages = [json.loads(line) for line in written.splitlines()]
    everything = b"\0".join([scrape[1], health[1], lost[1], written.encode(), *collector.raw, running[1].encode()])
    return Told(
        scrape[1].decode(), json.loads(health[1]), lost[0], messages, collector.spans, collector.raw, running,
        asked(home), everything,
    )  # fmt: skip


@pytest.mark.parametrize("planted", [*PLANTED, str(ASKED), ASKED.hex, ASKED.bytes, query_id("")])
def test_nothing_that_was_asked_is_in_anything_that_is_told(told: Told, planted: str | bytes) -> None:
    sought = planted if isinstance(planted, bytes) else planted.encode()
    assert sought not in told.everything
    assert len(told.everything) > 10_000


def test_calls_are_counted_with_how_they_ended(told: Told) -> None:
    assert 'louver_calls_total{end="ok",method="SandboxService/Analyse"} 1.0' in told.scrape
    assert 'louver_calls_total{end="refused",method="SandboxService/Analyse"} 2.0' in told.scrape
    assert re.search(r'louver_refusals_total\{code="LVR-\d{4}"\} 1\.0', told.scrape)
    for stage in ("waiting", "check", "commit", "answer"):
        assert f'louver_stage_seconds_count{{stage="{stage}"}}' in told.scrape


def test_the_reference_lists_every_metric_and_no_other(told: Told) -> None:
    documented = set(
        re.findall(r"^\| `([a-z_]+)` \| (?:counter|gauge|histogram)", DOCUMENTED.read_text("utf-8"), re.M)
    )
    found = {name.removesuffix("_total") for name in re.findall(r"^# TYPE (\S+) ", told.scrape, re.M)}
    ours = {name for name in found if name.startswith("louver_")}
    assert ours == {name.removesuffix("_total") for name in documented if name.startswith("louver_")}
    assert {name.removesuffix("_total") for name in documented} <= found


def test_a_call_is_a_span_with_its_stages_inside(told: Told) -> None:
    whole = next(span for span in told.spans if attribute(span, "louver.query") == query_id(str(ASKED)))
    assert (whole.name, attribute(whole, "louver.end")) == ("SandboxService/Analyse", "ok")
    inside = [span for span in told.spans if span.parent_span_id == whole.span_id]
    assert [span.name for span in inside] == ["waiting", "check", "commit", "answer"]
    assert all(
        whole.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano <= whole.end_time_unix_nano
        for one in inside
    )
    assert {attribute(span, "louver.end") for span in told.spans} == {"", "ok", "refused"}, "a stage has no end"


def attribute(span: Span, name: str) -> str:
    return next((one.value.string_value for one in span.attributes if one.key == name), "")


def test_messages_are_objects_that_name_the_question_by_its_digest(told: Told) -> None:
    calls = [one for one in told.messages if one["logger"] == "louver.calls"]
    ended = next(one for one in calls if one["query"] == query_id(str(ASKED)))
    assert (ended["end"], ended["code"], ended["level"]) == ("ok", "", "info")
    assert {one["end"] for one in calls} == {"ok", "refused"}


def test_health_and_status_say_the_same_while_it_serves_and_status_knows_when_it_is_gone(told: Told) -> None:
    code, output = told.running
    assert code == 0
    said = json.loads(output)
    assert said["serving"] is True
    assert said["problems"] == told.health["problems"] == []
    assert said["address"] == told.health["address"]
    assert told.lost == 404
    code, output = told.after
    assert code == 1
    assert "is gone" in output
