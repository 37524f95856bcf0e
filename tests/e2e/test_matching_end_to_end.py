"""B07 of the domain, through a real client and a real service: the whole book against the government's lists."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.soundness import entries, wrongs
from tests.support.installation import Service, files_below

import louver
from louver import aio
from louver.errors import Refused
from louver.failures import Misused
from louver.matching import oprf
from louver.signing import sign_match
from louver.statuses import failure
from louver.v1 import matching_pb2 as pb
from louver.v1.matching_pb2_grpc import MatchingServiceStub
from louver_sandbox.auditing.replay import replay
from louver_sandbox.perturbation.named import named
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.store import State

BLACK, RED = "gov.credit_list/black", "gov.credit_list/red"
STATUTORY = "gov.court_dishonest/dishonest"
PLANTED = "PLANTED7MISS4242X"
"""An id on no list."""
BASE = 5
"""To whose nearest multiple the demo's policy rounds numbers of subjects."""


@pytest.fixture(scope="module")
def book(served: Service) -> list[tuple[str, int]]:
    """Bank A's loan book: ids and balances in fen."""
    rows = plain(served, "SELECT id_no, CAST(round(balance * 100) AS BIGINT) FROM BOOK")
    assert len(rows) > 100
    return [(str(id_), int(amount)) for id_, amount in rows]


@pytest.fixture(scope="module")
def bank(served: Service) -> Iterator[louver.Client]:
    with served.connect(purpose="POST_LOAN") as client:
        yield client


def plain(served: Service, sql: str) -> list[tuple[Any, ...]]:
    """The computation as it would be made by whoever may see everything."""
    world = served.city.world
    found = duckdb.execute(
        sql.replace("LIST", f"'{world}/gov.credit_list/*.parquet'")
        .replace("COURT", f"'{world}/gov.court_dishonest/*.parquet'")
        .replace("BOOK", f"'{world}/bank_a.loan_book/*.parquet'")
    ).fetchall()
    return sorted(found, key=repr)


def test_b07_gives_what_the_plain_computation_gives(
    served: Service, bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    stages: list[str] = []
    found = bank.match([id_ for id_, _ in book], list=BLACK, progress=stages.append)
    expected = plain(
        served,
        "SELECT l.id_no, c.list_code, CAST(c.listed_on AS VARCHAR), c.measures FROM BOOK l JOIN LIST c "
        "ON c.subject_id = l.id_no WHERE c.polarity = 'B' AND c.repaired_on IS NULL AND c.subject_class <> 'P' "
        f"AND c.valid_to >= DATE '{found.day}'",
    )
    assert expected
    assert sorted(found.rows, key=repr) == expected
    assert found.ids == len({id_ for id_, _ in book})
    assert stages[-1] == "finishing"
    assert found.proof is not None
    assert found.proof.entry["match_set"] == found.set_sha256
    assert found.cost == {"gov.credit_list query": 1, "gov.credit_list match_ids": found.ids}


def test_the_statutory_list_hits_persons_who_are_still_on_it(
    served: Service, bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    everybody = [str(id_) for (id_,) in plain(served, "SELECT DISTINCT subject_id FROM COURT")]
    found = bank.match([id_ for id_, _ in book] + everybody, list=STATUTORY)
    expected = plain(
        served,
        "SELECT subject_id, case_no, court_name, performance, CAST(published_on AS VARCHAR) FROM COURT "
        f"WHERE published_on IS NOT NULL AND (removed_on IS NULL OR removed_on > DATE '{found.day}')",
    )
    assert len(expected) > 10
    assert len(expected) < len(plain(served, "SELECT * FROM COURT"))
    shown = [
        (hit.id, *(hit.values[name] for name in ("case_no", "court_name", "performance", "published_on")))
        for hit in found.hits
    ]
    assert sorted(shown, key=repr) == expected


def test_numbers_and_sums_are_those_of_the_plain_computation_within_their_noise(
    served: Service, bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    ids, amounts = [id_ for id_, _ in book], [amount for _, amount in book]
    count, again = (bank.match(ids, list=RED, mode="count") for _ in range(2))
    total = bank.match(ids, list=RED, mode="sum", amounts=amounts)
    met = [
        int(amount)
        for (amount,) in plain(
            served,
            "SELECT sum(CAST(round(l.balance * 100) AS BIGINT)) FROM BOOK l JOIN (SELECT DISTINCT subject_id FROM LIST WHERE "
            f"polarity = 'R' AND repaired_on IS NULL AND subject_class <> 'P' AND valid_to >= DATE '{count.day}') c "
            "ON c.subject_id = l.id_no GROUP BY l.id_no",
        )
    ]
    expected, balance = len(met), sum(met)
    assert expected > 10
    assert count.value == again.value
    assert count.value is not None
    assert count.value % BASE == 0
    assert abs(count.value - expected) <= named("enterprises").terms.maximum + BASE // 2
    assert total.value is not None
    # How exact a number is comes with it, and is the policy's word, not the batch's.
    assert count.accuracy is not None
    assert total.accuracy is not None
    assert (count.accuracy.kind, count.accuracy.below, count.accuracy.above) == ("count", Decimal(6), Decimal(6))
    assert (total.accuracy.kind, total.accuracy.relative_error, total.accuracy.below) == ("sum", Decimal(2), None)
    # Whoever sent the amounts knows how large they are, and so more: what nobody else could say.
    largest = math.hypot(*sorted(amounts)[-2:])
    assert count.within is None
    assert total.within is not None
    assert abs(total.within - 15.433 * largest) <= 2
    assert "in 95 of 100 matches" in count.accuracy.text()
    assert "95" in total.accuracy.text("zh")
    # Noise never exceeds the sum, and no base is more than ten deviations of two of the largest amount and of the next.
    assert 0 <= total.value <= 2 * balance + 20 * math.hypot(*sorted(met)[-2:])
    assert bank.match(ids, list=RED, mode="sum", amounts=amounts).value == total.value
    assert count.proof is not None
    assert (count.hits, count.rows) == ((), [])


def test_a_number_that_would_be_too_small_is_withheld_and_says_so(
    bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    found = bank.match([id_ for id_, _ in book], list=BLACK, mode="count")
    assert (found.value, found.withheld, found.accuracy) == (None, "threshold", None)
    assert found.message
    assert found.message_zh


def test_a_person_is_hit_by_the_own_authorisation(
    served: Service, bank: louver.Client, book: list[tuple[str, int]], tmp_path: Path
) -> None:
    """No statute makes the persons of this list public: without an authorisation they look like persons who are not on
    it, and a revocation a moment before counts."""
    today = bank.match([id_ for id_, _ in book], list=BLACK).day
    persons = [
        str(subject)
        for (subject,) in plain(
            served,
            "SELECT DISTINCT subject_id FROM LIST WHERE polarity = 'B' AND repaired_on IS NULL AND subject_class = 'P' "
            f"AND valid_to >= DATE '{today}' ORDER BY 1 LIMIT 3",
        )
    ]
    assert len(persons) == 3
    ids = [*(id_ for id_, _ in book), *persons]
    held = [
        bank.record_authorisation(
            one,
            purpose="POST_LOAN",
            scope=["gov.credit_list"],
            granted_on=date(2026, 1, 1),
            expires_on=date(2099, 12, 31),
            evidence_sha256="ab" * 32,
            unit="person",
            single_consent=True,
            uses=0,
        )
        for one in persons
    ]
    assert not set(persons) & {hit.id for hit in bank.match(ids, list=BLACK).hits}
    found = bank.match(ids, list=BLACK, authorisations=[*held[:2], "none"])
    assert set(persons) & {hit.id for hit in found.hits} == set(persons[:2])
    assert found.proof is not None
    bank.revoke_authorisation(held[0])
    (tmp_path / "held.txt").write_text("\n".join(held), encoding="utf-8")
    (tmp_path / "book.txt").write_text("\n".join(ids), encoding="utf-8")
    done = louver_command(
        served, "match", str(tmp_path / "book.txt"), "--list", BLACK, "--purpose", "POST_LOAN",
        "--authorisations", str(tmp_path / "held.txt"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {line.split(",")[0] for line in done.stdout.splitlines()} & set(persons) == set(persons[1:])
    with pytest.raises(Refused, match="LVR-5120"):
        bank.match(ids, list=STATUTORY, authorisations=held)
    with pytest.raises(Misused, match="mode hits"):
        bank.match(ids, list=BLACK, mode="count", authorisations=held)


def test_two_banks_get_the_same_set_and_the_log_names_it(
    served: Service, bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    ids = [id_ for id_, _ in book]
    first = bank.match(ids, list=BLACK)
    with served.connect("bank_b", "POST_LOAN") as other:
        second = other.match(ids, list=BLACK)
    assert first.set_sha256 == second.set_sha256
    logged = [entry for entry in entries(served.city, kind="match_set") if entry["list"] == BLACK]
    assert first.set_sha256 in {entry["sha256"] for entry in logged}


def test_the_asyncio_client_matches_too(served: Service, bank: louver.Client, book: list[tuple[str, int]]) -> None:
    async def both() -> tuple[louver.Match, louver.Match, int]:
        async with aio.AsyncClient(bank.settings) as client:
            assert {item.list for item in await client.lists()} == {BLACK, RED, STATUTORY}
            ids = [id_ for id_, _ in book]
            hits, count = await client.match(ids, list=BLACK), await client.match(ids, list=RED, mode="count")
            entry = await client.report_measure(
                hits.request_id, list=BLACK, subject=hits.hits[0].id, measure="2.04", taken_on=date(2026, 7, 1)
            )
            with pytest.raises(Refused, match="LVR-5103"):
                await client.match(ids[:3], list=BLACK)
            return hits, count, entry

    hits, count, entry = asyncio.run(both())
    assert hits.rows == bank.match([id_ for id_, _ in book], list=BLACK).rows
    assert count.value == bank.match([id_ for id_, _ in book], list=RED, mode="count").value
    (logged,) = [item for item in entries(served.city, kind="match_measure") if item["index"] == entry]
    assert logged["measure"] == "2.04"
    assert hits.hits[0].id not in json.dumps(logged)


def test_feedback_without_a_hit_of_ones_own_is_refused(bank: louver.Client) -> None:
    with pytest.raises(Refused, match="LVR-5109"):
        bank.report_measure(
            str(uuid.uuid4()), list=BLACK, subject="91370200MA3CXXXX0X", measure="2.04", taken_on=date(2026, 7, 1)
        )


def test_no_id_of_a_miss_reaches_the_platforms_disk(
    served: Service, bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    """Searched: state store with its side files, logs, spool, run, sets. The search itself is tried on a table that
    the bank uploads in clear, where it must find the id."""
    ids = [*(id_ for id_, _ in book), PLANTED]
    bank.match(ids, list=BLACK)
    bank.match(ids, list=RED, mode="count")
    assert holding(served, PLANTED) == []
    bank.upload("planted", [{"id": PLANTED}])
    assert holding(served, PLANTED) != []
    bank.drop("planted")


def holding(served: Service, text: str) -> list[str]:
    files = files_below(served.city.settings.home, lambda path: "clients" not in path.parts)
    return [path.name for path, content in files if text.encode() in content]


def test_every_match_can_be_decided_again_from_the_log(
    served: Service, bank: louver.Client, book: list[tuple[str, int]]
) -> None:
    found = bank.match([id_ for id_, _ in book], list=BLACK)
    settings = served.city.settings
    with State.open(settings.state) as state:
        log = open_books(settings, state, utc_now).log
        assert replay(found.receipt.index, log, settings, ()).same


def raw(served: Service) -> tuple[grpc.Channel, Any]:
    authority, key, certificate = served.files("bank_a")
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), key.read_bytes(), certificate.read_bytes())
    channel = grpc.secure_channel(served.address, credentials)
    return channel, MatchingServiceStub(channel)


def question(served: Service, content: bytes, **changes: Any) -> pb.MatchQuestion:
    fields: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "purpose": "POST_LOAN",
        "list": BLACK,
        "mode": "hits",
        "ids": 100,
        "batch_sha256": hashlib.sha256(content).digest(),
        "expires": (utc_now() + timedelta(minutes=5)).isoformat(),
    }
    message = pb.MatchQuestion(**(fields | changes))
    key = load_pem_private_key(served.files("bank_a")[1].read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    message.signature = sign_match(message, key)
    return message


ELEMENTS = oprf.blind([b"%d" % n for n in range(100)]).elements
OFF = ELEMENTS[:-32] + b"\xff" * 32

BAD: list[tuple[str, dict[str, Any], list[bytes], str]] = [
    ("no batch at all", {}, [], "LVR-5105"),
    ("cut off in the middle", {}, [ELEMENTS[:1600]], "LVR-5105"),
    ("cut off within an id", {}, [ELEMENTS[:-1]], "LVR-5105"),
    ("longer than signed", {}, [ELEMENTS + ELEMENTS[:32]], "LVR-5105"),
    ("another batch than signed", {}, [ELEMENTS[32:] + ELEMENTS[:32]], "LVR-5105"),
    ("empty pieces", {}, [b""] * 50, "LVR-5105"),
    ("off the curve", {"batch_sha256": hashlib.sha256(OFF).digest()}, [OFF], "LVR-5105"),
    ("one id", {"ids": 1}, [ELEMENTS[:32]], "LVR-5103"),
    ("no id", {"ids": 0}, [], "LVR-5103"),
    ("a huge batch", {"ids": 4_000_000_000}, [], "LVR-5104"),
    ("a mode that is none", {"mode": "all"}, [ELEMENTS], "LVR-0105"),
    ("a list that is none", {"list": "x' OR 1=1 --"}, [ELEMENTS], "LVR-0105"),
    ("a key in mode hits", {"public_key": bytes(32)}, [ELEMENTS], "LVR-0105"),
    ("no key in mode count", {"mode": "count"}, [ELEMENTS], "LVR-0105"),
    ("a short digest", {"batch_sha256": b"x"}, [ELEMENTS], "LVR-0105"),
    ("no id of the request", {"request_id": "1"}, [ELEMENTS], "LVR-0105"),
    ("expired", {"expires": "2020-01-01T00:00:00+00:00"}, [ELEMENTS], "LVR-0104"),
]


def test_bad_input_is_refused_with_a_code_in_bounded_time_and_stores_nothing(
    served: Service, bank: louver.Client
) -> None:
    charged = len(entries(served.city, kind="admission"))
    channel, stub = raw(served)
    with channel:
        for name, changes, pieces, code in BAD:
            messages = [pb.MatchRequest(question=question(served, ELEMENTS, **changes))]
            messages += [pb.MatchRequest(batch=piece) for piece in pieces]
            started = time.monotonic()
            assert refusal(stub, messages) == code, name
            assert time.monotonic() - started < 20, name
        unsigned = question(served, ELEMENTS)
        unsigned.ids = 101
        assert refusal(stub, [pb.MatchRequest(question=unsigned)]) == "LVR-0103"
        assert refusal(stub, []) == "LVR-0105"
        assert refusal(stub, [pb.MatchRequest(batch=ELEMENTS)]) == "LVR-0103"
    assert len(entries(served.city, kind="admission")) == charged
    assert bank.lists()


def refusal(stub: Any, messages: list[pb.MatchRequest]) -> str:
    try:
        list(stub.Match(iter(messages), timeout=30))
    except grpc.RpcError as error:
        found = failure_of(error)
        assert isinstance(found, Refused), found
        return found.code
    return "answered"


def test_an_evaluation_that_is_cut_off_or_wrong_ends_the_match_and_leaves_no_number(served: Service) -> None:
    evaluator, other = oprf.Evaluator.of(bytes([3] * 32)), oprf.Evaluator.of(bytes([4] * 32))
    tokens = sorted(token[:32] for token in evaluator.tokens([b"%d" % n for n in range(100)]))
    content = b"".join(token + bytes(8) for token in tokens)
    channel, stub = raw(served)
    with channel:
        for wrong in (
            lambda blinded: other.evaluate(blinded),
            lambda blinded: evaluator.evaluate(blinded)[:-1],
            lambda blinded: b"\xff" * oprf.evaluated_bytes(len(blinded) // 32),
        ):
            asked = question(served, content, mode="count", public_key=evaluator.public)
            parts, code = talked(stub, asked, content, wrong)
            assert code == "LVR-5106"
            assert "blinded" in parts
            assert "number" not in parts
            kinds = [entry["kind"] for entry in entries(served.city, request_id=asked.request_id)]
            assert kinds == ["admission", "aborted"]


def failure_of(error: grpc.RpcError) -> louver.Error:
    """Our error for what a call ended with."""
    assert isinstance(error, grpc.Call)
    return failure(error.code(), error.trailing_metadata())


def talked(stub: Any, asked: pb.MatchQuestion, content: bytes, wrong: Any) -> tuple[set[str | None], str]:
    """What came of a match that evaluates wrongly, and the code it ended with."""
    seen, parts = bytearray(), set()
    try:
        for response in stub.Match(conversation(asked, content, wrong, seen), timeout=30):
            seen += response.blinded
            parts.add(response.WhichOneof("part"))
    except grpc.RpcError as error:
        found = failure_of(error)
        return parts, found.code if isinstance(found, Refused) else str(found)
    return parts, "answered"


def conversation(asked: pb.MatchQuestion, content: bytes, wrong: Any, seen: bytearray) -> Iterator[pb.MatchRequest]:
    yield pb.MatchRequest(question=asked)
    yield pb.MatchRequest(batch=content)
    while len(seen) < 64 * 32:
        time.sleep(0.01)
    yield pb.MatchRequest(evaluated=wrong(bytes(seen)))


def louver_command(served: Service, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    ca, key, certificate = served.files("bank_a")
    environment = os.environ | {
        "LOUVER_TARGET": served.address, "LOUVER_CA": str(ca), "LOUVER_KEY": str(key),
        "LOUVER_CERTIFICATE": str(certificate), "LOUVER_LOG_KEY": served.city.log_key, "LOUVER_LANG": "en",
    }  # fmt: skip
    command = [sys.executable, "-c", "from louver.cli import main; main()", *arguments]
    return subprocess.run(
        command, input=given, capture_output=True, text=True, env=environment, timeout=120, check=False
    )


def test_the_command_line_gives_what_one_can_pipe(
    served: Service, bank: louver.Client, book: list[tuple[str, int]], tmp_path: Path
) -> None:
    ids = "".join(f"{id_}\n" for id_, _ in book)
    done = louver_command(served, "match", "-", "--list", BLACK, "--purpose", "POST_LOAN", given=ids)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header == "id,list_code,listed_on,measures"
    assert rows
    assert "receipt verified" in done.stderr
    table = tmp_path / "book.csv"
    table.write_text(
        "id_no,yuan\n" + "".join(f"{id_},{amount / 100:.2f}\n" for id_, amount in book), encoding="utf-8"
    )
    summed = louver_command(
        served, "match", str(table), "--column", "id_no", "--list", RED, "--purpose", "POST_LOAN", "--mode", "sum",
        "--amount", "yuan", "--format", "json",
    )  # fmt: skip
    assert summed.returncode == 0, summed.stderr
    said = json.loads(summed.stdout)
    by_hand = bank.match([id_ for id_, _ in book], list=RED, mode="sum", amounts=[amount for _, amount in book])
    assert by_hand.value is not None
    assert said["value"] == by_hand.value
    assert said["verified"] is True
    assert (said["accuracy"]["relative_error"], said["accuracy"]["below"]) == ("2", None)
    assert "steps" in said["accuracy"]["message"]
    assert "in 95 of 100 matches" in summed.stderr
    assert "by your own largest amounts it is within" in summed.stderr
    assert said["within"] == by_hand.within
    lists = louver_command(served, "match", "--lists", "--format", "json")
    assert {item["list"] for item in json.loads(lists.stdout)} == {BLACK, RED, STATUTORY}
    few = louver_command(
        served, "match", "-", "--list", BLACK, "--purpose", "POST_LOAN", given="91370200MA0000001X\n"
    )
    assert few.returncode == 1
    assert "LVR-5103" in few.stderr
    unnamed = louver_command(served, "match", str(table), "--list", BLACK, "--purpose", "POST_LOAN")
    assert unnamed.returncode == 2
    assert "--column" in unnamed.stderr


def test_the_books_hold_after_all_of_it(served: Service) -> None:
    assert wrongs(served.city) == []
