"""A bank asks about persons' accounts: noise drawn by OpenDP, the cost said before and after, one answer for ever."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from fractions import Fraction

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.conftest import raw_stub, signed_question
from tests.e2e.soundness import wrongs
from tests.support.installation import Service, service
from tests.support.queries import QUERIES
from typer.testing import CliRunner

import louver
from louver import dbapi, signing
from louver.cli.app import app
from louver.errors import Refused
from louver.v1 import sandbox_pb2 as pb
from louver_sandbox.demo.city import City

pytest.importorskip("opendp", reason="the extra louver[dp] is not installed")


def test_the_histogram_of_deposits_is_answered_once_and_costs_what_was_said(own_city: City) -> None:
    question = QUERIES["B02"]
    with service(own_city) as served, served.connect("bank_a") as bank:
        said = bank.explain(question.sql, purpose="RESEARCH")
        answer = bank.analyse(question.sql, purpose="RESEARCH")
        assert answer.treatment == said.treatment == "dp"
        losses = [item.message for item in answer.notices if item.code == "PRIVACY_LOSS"]
        assert losses == [item.message for item in said.notices if item.code == "PRIVACY_LOSS"]
        assert "gov.hf_account" in losses[0]
        (exactness,) = answer.accuracy
        (predicted,) = said.accuracy
        assert (exactness.above, exactness.message) == (predicted.above, predicted.message)
        assert predicted.low == ()
        assert len(exactness.low) == len(exactness.high) == len(answer)
        for (_, number), low, high in zip(answer, exactness.low, exactness.high, strict=True):
            assert low is not None
            assert high is not None
            assert (low, high) == (max(0, number - exactness.below), max(0, number + exactness.above))
        assert len({number for _, number in answer}) > 1
        again = bank.analyse(question.sql + " -- once more", purpose="RESEARCH")
        assert again.stored
        assert again.stream == answer.stream
        assert again.accuracy == answer.accuracy
        quantiles_of_a_trade_secret(bank)
    with service(own_city) as served, served.connect("bank_a") as bank:
        assert bank.analyse(question.sql, purpose="RESEARCH").stream == answer.stream
    assert not wrongs(own_city)


def on_command_line(served: Service, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `louver` as bank A types it."""
    authority, key, certificate = map(str, served.files("bank_a"))
    settings = ["--target", served.address, "--certificate", certificate, "--key", key, "--ca", authority]
    ran = CliRunner(env={"LOUVER_LANG": "en", "LOUVER_CONFIG": "none"}).invoke(app, [*settings, *arguments])
    return ran.exit_code, ran.stdout, ran.stderr


def test_a_caller_chooses_what_a_question_costs_and_sees_what_is_left(own_city: City) -> None:
    sql = "SELECT status, count(*) AS n FROM gov.hf_account GROUP BY status ORDER BY status"
    with service(own_city) as served, served.connect("bank_a", "RESEARCH") as bank:
        (preview,) = bank.explain(sql, epsilon=0.5).privacy
        answer = bank.analyse(sql, epsilon=0.5)
        assert len(answer) > 0
        (paid,) = answer.privacy
        assert (paid.cost, paid.left, paid.limits) == (preview.cost, preview.left, preview.limits), (
            "charged == previewed"
        )
        assert not paid.free
        assert Fraction("0.48") < Fraction(paid.cost.epsilon) <= Fraction(1, 2)
        assert [(limit.kind, limit.period) for limit in paid.limits] == [
            ("allowance", "month"),
            ("lifetime", "lifetime"),
        ]
        assert paid.limits[0].refreshes_at is not None
        assert str(paid.limits[0].refreshes_at.utcoffset()) == "8:00:00"

        verdict = bank.explain(sql, epsilon=0.5)
        assert verdict.cost == {}, "its answer is stored"
        (foreseen,) = verdict.privacy
        assert (foreseen.free, foreseen.left) == (True, paid.left)
        assert "STORED" in [notice.code for notice in verdict.notices]
        assert [one.free for one in bank.analyse(sql, epsilon=0.5).privacy] == [True]

        again = ("query", sql, "--purpose", "RESEARCH", "--epsilon", "0.5", "--format", "json")
        code, out, said = on_command_line(served, *again)
        assert code == 0, said
        shown = json.loads(out)
        assert shown["stored"]
        assert [tuple(row) for row in shown["rows"]] == list(answer)
        assert shown["privacy"][0]["free"]
        assert shown["privacy"][0]["cost"] == {"epsilon": "0", "rho": "0"}
        assert json.loads(said.splitlines()[-1])["privacy"][0]["free"], "one line of JSON where nobody watches"

        within = ("explain", sql, "--purpose", "RESEARCH", "--accuracy", "n=25", "--json")
        code, out, said = on_command_line(served, *within)
        assert code == 0, said
        told = json.loads(out)
        wider = bank.analyse(sql, accuracy="25")
        assert not wider.stored, "another noise is another question"
        (exactness,) = wider.accuracy
        assert exactness.above is not None
        assert exactness.above <= 25
        assert told["privacy"][0]["cost"]["rho"] == str(wider.privacy[0].cost.rho)
        spent = paid.left.rho - wider.privacy[0].left.rho
        assert spent == wider.privacy[0].cost.rho > 0

        by_database_api(bank, sql, answer)

        for more, refusal in (
            ({"epsilon": 3}, "LVR-2366"),
            ({"accuracy": "1% of 90"}, "LVR-2370"),
            ({"accuracy": "5%"}, "LVR-2369"),
        ):
            with pytest.raises(Refused, match=refusal):
                bank.analyse(sql, **more)
            verdict = bank.explain(sql, **more)
            assert verdict.refusal is not None
            assert verdict.refusal.code == refusal
        with pytest.raises(Refused, match="LVR-2373"):
            bank.analyse("SELECT count(*) FROM gov.ent_registry", epsilon=1)
        assert refused_on_the_wire(served, sql, "NaN") == "LVR-2365"
        assert refused_on_the_wire(served, sql, "-0.5") == "LVR-2365"
        (unmoved,) = bank.explain(sql, epsilon=0.25).privacy
        # A difference: sums of so many digits are rounded.
        assert wider.privacy[0].left.rho - unmoved.left.rho == unmoved.cost.rho, "what was refused has cost nothing"
    assert not wrongs(own_city)


def by_database_api(bank: louver.Client, sql: str, known: louver.Answer) -> None:
    """A cursor is told what a question may cost, and says what it has cost, what is left and when that refreshes."""
    cursor = dbapi.Connection(bank).cursor()
    cursor.epsilon = 0.5
    assert cursor.execute(sql).fetchall() == list(known)
    (told,), (paid,) = cursor.privacy, known.privacy
    assert told.free
    assert [limit.refreshes_at for limit in told.limits] == [limit.refreshes_at for limit in paid.limits]
    assert told.left.rho <= paid.left.rho
    assert cursor.answer.accuracy == known.accuracy
    cursor.epsilon, cursor.accuracy = None, "1% of 90"
    with pytest.raises(dbapi.Error) as refused:
        cursor.execute(sql)
    assert refused.value.code == "LVR-2370"


def refused_on_the_wire(served: Service, sql: str, epsilon: str) -> str:
    """The code with which a question that no client of ours would send is refused."""
    question = signed_question(served, "bank_a", sql)
    question.epsilon = epsilon
    key = load_pem_private_key(served.files("bank_a")[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    question.signature = signing.sign(question, key)
    channel, stub = raw_stub(served, "bank_a")
    with channel, pytest.raises(grpc.RpcError) as refused:
        list(stub.Analyse(pb.AnalyseRequest(question=question)))
    return str(refused.value.details()).split(":")[0]


CLIENTS = int(os.environ.get("LOUVER_CLIENTS", "0"))
ONE_OF_MANY = """SELECT least(floor(monthly_deposit / {}), 16)::INT AS bin, count(*) AS n
FROM gov.hf_account WHERE status = 1 GROUP BY bin ORDER BY bin"""


def one_client(served: Service, number: int, ends: list[str]) -> None:
    """Asks with patience and writes down how it ended: `answered`, or the code of the refusal."""
    request, sql = str(uuid.uuid4()), ONE_OF_MANY.format(500 + number)
    with served.connect("bank_a", "RESEARCH") as bank:
        while True:
            try:
                bank.analyse(sql, request_id=request)
                ends.append("answered")
            except Refused as refused:
                if refused.code == "LVR-3101":
                    time.sleep(0.2)
                    continue
                ends.append(refused.code)
            return


@pytest.mark.skipif(CLIENTS < 64, reason="half a minute: by LOUVER_CLIENTS=64; the same race in one process is in CI")
def test_64_clients_of_a_service_spend_a_months_allowance_to_the_last_question_and_no_further(own_city: City) -> None:
    ends: list[str] = []
    with service(own_city) as served:
        clients = [threading.Thread(target=one_client, args=(served, number, ends)) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join(200)
        assert not any(client.is_alive() for client in clients), "nobody waits for ever"
        with served.connect("bank_a", "RESEARCH") as bank, pytest.raises(Refused, match="LVR-3013"):
            bank.analyse(ONE_OF_MANY.format(400))
    assert len(ends) == CLIENTS
    assert set(ends) == {"answered", "LVR-3013"}
    assert ends.count("answered") == 52, "epsilon 8 at delta 1e-6 is 52 times epsilon 1 at delta 1e-7, in rho"
    assert not wrongs(own_city)


def quantiles_of_a_trade_secret(bank: louver.Client) -> None:
    """B03: the mean, median and 90th percentile of revenue by section, in one charge."""
    question = QUERIES["B03"]
    said = bank.explain(question.sql, purpose="RESEARCH")
    answer = bank.analyse(question.sql, purpose="RESEARCH")
    losses = [item.message for item in answer.notices if item.code == "PRIVACY_LOSS"]
    assert losses == [item.message for item in said.notices if item.code == "PRIVACY_LOSS"]
    assert {"gov.tax_quarter", "gov.ent_registry"} == {loss.split(" in ")[1].split(":")[0] for loss in losses}
    mean, median, high = answer.accuracy
    assert [one.kind for one in (mean, median, high)] == ["average", "quantile", "quantile"]
    assert [one.message for one in answer.accuracy] == [one.message for one in said.accuracy]
    assert len(answer) == 21, "every section, and none"
    for place, one in ((2, median), (3, high)):
        ends = zip(answer, one.low, one.high, strict=True)
        assert all(low is not None and up is not None and low <= row[place] <= up for row, low, up in ends)
