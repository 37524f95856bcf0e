"""The standard health service, on the same port and behind the same mutual TLS as everything else."""

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.e2e.conftest import raw_stub
from tests.support.installation import Service


@pytest.mark.parametrize("name", ["", "louver.v1.SandboxService"])
def test_a_serving_service_says_so(served: Service, name: str) -> None:
    channel, _ = raw_stub(served, "bank_a")
    with channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_a_service_nobody_runs_is_not_known(served: Service) -> None:
    channel, _ = raw_stub(served, "bank_a")
    with channel, pytest.raises(grpc.RpcError) as caught:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
