"""A bank asks about persons' accounts: noise drawn by OpenDP, the cost said before and after, one answer for ever."""

from __future__ import annotations

import os
import threading
import time
import uuid

import pytest
from tests.e2e.soundness import wrongs
from tests.support.installation import Service, service
from tests.support.queries import QUERIES

import louver
from louver.errors import Refused
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
