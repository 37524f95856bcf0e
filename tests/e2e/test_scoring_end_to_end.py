"""B08 of the demo: a bank's secret scorecard over authorised firms, at the real service, equal to the plain one."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.e2e.soundness import entries, wrongs
from tests.support.installation import Service, copy_of, files_below, service, with_limits
from typer.testing import CliRunner

import louver
from louver import aio
from louver.cli.app import app
from louver.errors import Refused, Unproven
from louver.failures import Misused
from louver.scoring import audit
from louver.scoring.calls import RegisteredModel, registration
from louver.scoring.cards import FeatureSet, Scorecard
from louver.scoring.models import Opening
from louver.sealing.keys import PrivateKey, generate_key
from louver_sandbox.auditing.replay import NotReplayable, replay
from louver_sandbox.demo.city import City
from louver_sandbox.demo.scorecard import BASE, POINTS, PURPOSE, SCOPE
from louver_sandbox.demo.scorecard import card as demo_card
from louver_sandbox.operator.main import app as operator
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.store import State

EVIDENCE = "ab" * 32
NOBODY = "91370200MA00000000"


@dataclass(frozen=True)
class Bench:
    """A running service and a bank with a registered model."""

    served: Service
    bank: louver.Client
    model: RegisteredModel
    card: Scorecard
    features: FeatureSet
    auditor: Ed25519PrivateKey
    opening: Opening


def of_demo(features: FeatureSet, version: str = "1", base: int = BASE) -> Scorecard:
    """The demo's scorecard."""
    return replace(demo_card(features, version), base=base)


@pytest.fixture(scope="module")
def key() -> PrivateKey:
    return generate_key(2048, below=random.Random(8).randrange)


@pytest.fixture(scope="module")
def bench(city: City, tmp_path_factory: pytest.TempPathFactory, key: PrivateKey) -> Iterator[Bench]:
    own = copy_of(city, tmp_path_factory.mktemp("scoring"))
    with_limits(own, randomisers=16)
    auditor = load_pem_private_key((own.settings.secrets / "auditors" / "model-auditor.key").read_bytes(), None)
    assert isinstance(auditor, Ed25519PrivateKey)
    with service(own) as served, served.connect("bank_a", purpose=PURPOSE) as bank:
        bank.settings.key_ring.add(key, utc_now())
        bank.register_key(key)
        (features,) = bank.feature_sets()
        card = of_demo(features)
        opening = bank.prepare_model(card)
        model = bank.register_model(opening.model, audit.certify(opening, "model-auditor", auditor))
        yield Bench(served, bank, model, card, features, auditor, opening)
    assert wrongs(own) == []


def authorise(bank: louver.Client, subject: str, **changes: Any) -> str:
    """An authorisation as a firm gives it on its application."""
    given: dict[str, Any] = {
        "purpose": PURPOSE,
        "scope": SCOPE,
        "granted_on": date(2026, 1, 1),
        "expires_on": date(2099, 12, 31),
        "evidence_sha256": EVIDENCE,
    }
    return bank.record_authorisation(subject, **{**given, **changes})


def plain_bins(city: City, features: FeatureSet, subjects: list[str]) -> dict[str, dict[str, str]]:
    """The bins of these firms, computed from the world's files in Python, by another hand than the service's."""
    world = city.world
    definition = {one["name"]: one for one in json.loads(features.definition)["features"]}

    def rows(table: str) -> list[dict[str, Any]]:
        with duckdb.connect() as connection:
            found = connection.execute(f"SELECT * FROM read_parquet('{world}/{table}/*.parquet')")
            names = [each[0] for each in found.description]
            return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    keep: dict[str, Callable[[dict[str, Any]], bool]] = {
        "tax_score": lambda r: r["rating_year"] == 2025,
        "tax_grade": lambda r: r["rating_year"] == 2025,
        "arrears": lambda r: True,
        "zero_quarters": lambda r: r["zero_declared"] is True,
        "revenue": lambda r: r["quarter"] >= date(2025, 7, 1),
        "invoices": lambda r: r["quarter"] >= date(2025, 7, 1),
        "headcount": lambda r: True,
        "insurance_arrears": lambda r: True,
        "penalties": lambda r: (
            r["decided_on"] is not None and r["decided_on"] >= date(2024, 7, 1) and r["repaired_on"] is None
        ),
        "dishonest": lambda r: r["removed_on"] is None,
    }
    found: dict[str, dict[str, str]] = {subject: {} for subject in subjects}
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, one in definition.items():
        table = tables.setdefault(one["table"], rows(one["table"]))
        column = "uscc" if "uscc" in table[0] else "subject_id"
        of: dict[str, list[dict[str, Any]]] = {}
        for row in table:
            if row[column] in found and keep[name](row):
                of.setdefault(str(row[column]), []).append(row)
        for subject in subjects:
            found[subject][name] = _bin(one, of.get(subject, []))
    return found


def _bin(one: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    bins = [str(each) for each in one["bins"]]
    values = [row[str(one["column"])] for row in rows] if one["column"] else []
    present = [(row, value) for row, value in zip(rows, values, strict=False) if value is not None]
    match one["take"]:
        case "count":
            taken: object = len(rows)
        case "latest" if present:
            taken = max(present, key=lambda item: (item[0][str(one["order"])], item[1]))[1]
        case "max" if present:
            taken = max(value for _, value in present)
        case "sum" if present:
            taken = sum(value for _, value in present)
        case _:
            return bins[0]
    if one["values"] is not None:
        return str(taken) if taken in one["values"] else bins[-1]
    edges = [Decimal(str(edge)) for edge in one["edges"]]
    return bins[1 + sum(Decimal(str(taken)) >= edge for edge in edges)]


def firms(city: City, count: int) -> list[str]:
    """So many firms with a tax credit record."""
    with duckdb.connect() as connection:
        query = f"SELECT DISTINCT uscc FROM read_parquet('{city.world}/gov.tax_credit/*.parquet') ORDER BY 1 LIMIT {count}"
        return [row[0] for row in connection.execute(query).fetchall()]


def test_b08_scores_are_the_plain_ones(bench: Bench) -> None:
    city, bank = bench.served.city, bench.bank
    subjects = firms(city, 60)
    applicants = [(subject, authorise(bank, subject)) for subject in subjects]
    stages: list[str] = []
    answer = bank.score(applicants, model="small-firms", progress=stages.append)
    bins = plain_bins(city, bench.features, subjects)
    expected = [bench.card.score(bins[subject]) for subject in subjects]
    assert len(set(expected)) > 10
    assert all(
        len({bins[subject][name] for subject in subjects}) > 1 for name in ("tax_score", "headcount", "revenue")
    )
    assert [row.score for row in answer.rows] == expected
    assert [row.subject for row in answer.rows] == subjects
    assert answer.cost == 60
    assert {"checked", "admitted", "binned", "scored 60 of 60"} <= set(stages)
    (outcome,) = entries(city, request_id=answer.request_ids[0], kind="outcome")
    assert (outcome["model"], outcome["seal"], outcome["rows"]) == (bench.model.digest, bench.model.kid, 60)
    # A canary is a subject whose features the bank knows: its score is as expected, or the answer is not believed.
    known = {subjects[0]: expected[0]}
    assert bank.score(applicants[:1], model=bench.model.digest, canaries=known).scored == 1
    with pytest.raises(Unproven, match="canary"):
        bank.score(applicants[:1], model="small-firms/1", canaries={subjects[0]: expected[0] + 1})


def test_scores_are_decided_again_from_the_log_to_the_same_statement(bench: Bench) -> None:
    """Law 6: the entry, the kept catalogue and policies, and the list of subjects behind its commitment suffice."""
    city = bench.served.city
    subjects = firms(city, 72)[70:]
    answer = bench.bank.score([(one, authorise(bench.bank, one)) for one in subjects], model="small-firms/1")
    with State.open(city.settings.state) as state:
        log = open_books(city.settings, state, utc_now).log
        outcome = answer.receipts[0].index
        result = replay(outcome, log, city.settings, ())
        assert result.same, (result.recorded, result.found)
        assert {"question", "statement_sha256", "snapshots", "rules", "limits"} == set(result.recorded)
        admission = int(str(log.entry(outcome).fields["admission"]))
        log.erase(admission, "decisions")
        with pytest.raises(NotReplayable, match="list of subjects has been erased"):
            replay(admission, log, city.settings, ())


def test_the_asyncio_client_does_what_the_blocking_one_does(bench: Bench) -> None:
    """From a card to scores with `await`; the loop goes on meanwhile, and errors are the same."""
    (subject,) = firms(bench.served.city, 73)[72:]
    given: dict[str, Any] = {
        "purpose": PURPOSE,
        "scope": SCOPE,
        "granted_on": date(2026, 1, 1),
        "expires_on": date(2099, 12, 31),
        "evidence_sha256": EVIDENCE,
    }

    async def story(bank: aio.AsyncClient) -> None:
        assert [one.name for one in await bank.feature_sets()] == [bench.features.name]
        assert await bank.models() == bench.bank.models()
        opening = await bank.prepare_model(replace(bench.card, version="aio"))
        assert audit.findings(opening) == ()
        with pytest.raises(Refused, match="LVR-5203"):
            await bank.register_model(opening.model, audit.Certificate("model-auditor", bytes(64)))
        held = await bank.record_authorisation(subject, **given)
        stages: list[str] = []
        answer = await bank.score([(subject, held)], model="small-firms/1", progress=stages.append)
        assert "scored 1 of 1" in stages
        assert answer.rows == bench.bank.score([(subject, held)], model="small-firms/1").rows
        assert answer.scored == 1
        assert await bank.revoke_authorisation(held)
        assert (await bank.score([(subject, held)], model="small-firms/1")).scored == 0
        with pytest.raises(Misused, match="same subject"):
            await bank.score([(subject, held)] * 2, model="small-firms/1")

    async def live() -> None:
        async with aio.AsyncClient(bench.bank.settings) as bank:
            await story(bank)

    asyncio.run(live())


def test_a_score_is_given_again_in_the_same_bytes_and_free(bench: Bench) -> None:
    bank = bench.bank
    subjects = firms(bench.served.city, 70)[60:]
    applicants = [(subject, authorise(bank, subject)) for subject in subjects]
    first = bank.score(applicants, model="small-firms")
    again = bank.score(applicants, model="small-firms")
    retried = bank.score(applicants, model="small-firms", request_id=first.request_ids[0])
    assert first.scored == 10
    assert (first.cost, again.cost, retried.cost) == (10, 0, 0)
    assert (
        [row.score for row in first.rows] == [row.score for row in again.rows] == [row.score for row in retried.rows]
    )
    digests = [
        entries(bench.served.city, request_id=one.request_ids[0], kind="outcome")[0]["result_digest"]
        for one in (first, again)
    ]
    assert digests[0] == digests[1]
    with pytest.raises(Refused, match="LVR-0106"):
        bank.score(applicants[:3], model="small-firms", request_id=first.request_ids[0])
    bank.revoke_authorisation(applicants[0][1])
    later = bank.score(applicants, model="small-firms")
    assert [row.score is None for row in later.rows] == [True] + 9 * [False]
    # The operator revokes for a subject, beside the running service.
    home = bench.served.city.settings.home
    shown = CliRunner().invoke(operator, ["authorisations", "show", applicants[1][1], "--home", str(home)])
    assert json.loads(shown.stdout)["subject"] == applicants[1][0]
    assert json.loads(shown.stdout)["revoked_at"] is None
    assert CliRunner().invoke(operator, ["authorisations", "show", "none", "--home", str(home)]).exit_code == 1
    revoked = CliRunner().invoke(operator, ["authorisations", "revoke", applicants[1][1], "--home", str(home)])
    assert revoked.exit_code == 0, revoked.output
    later = bank.score(applicants, model="small-firms")
    assert [row.score is None for row in later.rows] == 2 * [True] + 8 * [False]
    assert CliRunner().invoke(operator, ["authorisations", "revoke", "none", "--home", str(home)]).exit_code == 1


def test_who_has_no_score_looks_alike_and_the_log_knows_why(bench: Bench) -> None:
    bank = bench.bank
    subjects = firms(bench.served.city, 80)[70:]
    with bench.served.connect("bank_b", purpose=PURPOSE) as other:
        foreign = authorise(other, subjects[5])
    revoked = authorise(bank, subjects[1])
    bank.revoke_authorisation(revoked)
    applicants = {
        "scored": (subjects[0], authorise(bank, subjects[0])),
        "revoked": (subjects[1], revoked),
        "unknown": (subjects[2], "no-such-authorisation"),
        "other_purpose": (subjects[3], authorise(bank, subjects[3], purpose="POST_LOAN")),
        "out_of_scope": (subjects[4], authorise(bank, subjects[4], scope=SCOPE[:2])),
        "other_grantee": (subjects[5], foreign),
        "expired": (subjects[6], authorise(bank, subjects[6], expires_on=date(2026, 1, 2))),
        "other_subject": (subjects[7], authorise(bank, subjects[8])),
        "not_yet": (subjects[9], authorise(bank, subjects[9], granted_on=date(2099, 1, 1))),
        "absent": (NOBODY, authorise(bank, NOBODY)),
    }
    answer = bank.score(applicants.values(), model="small-firms")
    assert [row.score is not None for row in answer.rows] == [True] + 9 * [False]
    assert answer.cost == 10, "whoever has no score is charged as who has one"
    told = {}
    for name in ("revoked", "unknown", "other_purpose", "other_grantee", "expired", "absent"):
        alone = bank.score([applicants[name]], model="small-firms")
        (outcome,) = entries(bench.served.city, request_id=alone.request_ids[0], kind="outcome")
        (admission,) = entries(bench.served.city, request_id=alone.request_ids[0], kind="admission")
        hidden = {
            "commitments",
            "index",
            "time",
            "request_id",
            "question",
            "request_digest",
            "signature",
            "admission",
        }
        told[name] = [
            {key: value for key, value in entry.items() if key not in hidden | {"charged", "ledger"}}
            for entry in (outcome, admission)
        ]
        assert alone.rows[0].score is None
    assert len({json.dumps(each, sort_keys=True) for each in told.values()}) == 1
    with State.open(bench.served.city.settings.state) as state:
        books = open_books(bench.served.city.settings, state, utc_now)
        (entry,) = books.log.entries(request_id=answer.request_ids[0], kind="outcome")
        said = json.loads(books.log.open(entry.index)["decisions"].text)
    assert [code for *_, code in said] == list(applicants)


def test_an_authorisation_is_used_by_one_model_unless_it_says_otherwise(bench: Bench) -> None:
    bank = bench.bank
    one, two = firms(bench.served.city, 82)[80:]
    applicants = [(one, authorise(bank, one)), (two, authorise(bank, two, uses=0))]
    assert bank.score(applicants, model="small-firms/1").scored == 2
    opening = bank.prepare_model(of_demo(bench.features, "2", base=550))
    bank.register_model(opening.model, audit.certify(opening, "model-auditor", bench.auditor))
    second = bank.score(applicants, model="small-firms/2")
    assert [row.score is not None for row in second.rows] == [False, True]
    third = bank.prepare_model(of_demo(bench.features, "3"))
    with pytest.raises(Refused, match="LVR-5205"):
        bank.register_model(third.model, audit.certify(third, "model-auditor", bench.auditor))


def test_what_is_no_request_is_refused(bench: Bench) -> None:
    bank = bench.bank
    (subject,) = firms(bench.served.city, 83)[82:]
    applicants = [(subject, authorise(bank, subject))]
    with pytest.raises(Refused, match="LVR-5212"):
        bank.score(applicants, model="small-firms", purpose="RESEARCH")
    with bench.served.connect("agency_c", purpose=PURPOSE) as agency, pytest.raises(Refused, match="LVR-5222"):
        agency.revoke_authorisation(applicants[0][1])
    with pytest.raises(Refused, match="LVR-5221"):
        authorise(bank, subject, scope=())


def test_a_registration_that_is_none_is_refused_and_nothing_is_kept(bench: Bench) -> None:
    bank = bench.bank
    before = bank.models()
    opening = bank.prepare_model(of_demo(bench.features, "9"))
    signed = audit.certify(opening, "model-auditor", bench.auditor)
    signing = bank.settings.credentials.signing_key

    def sent(**changes: Any) -> None:
        model = replace(opening.model, **changes)
        bank._call(bank._scoring.RegisterModel, registration(model, signed, signing))

    for changes, code in (
        ({"model": "Small Firms"}, "LVR-5201"),
        ({"feature_set": "unknown"}, "LVR-5206"),
        ({"feature_set_sha256": "0" * 64}, "LVR-5206"),
        ({"kid": "0" * 64}, "LVR-5202"),
        ({"content": opening.model.content[:-1]}, "LVR-5011"),
        ({"content": b""}, "LVR-5011"),
        ({"rules_sha256": "0" * 64}, "LVR-5203"),
        ({"institution": "bank_b"}, "LVR-0103"),
    ):
        with pytest.raises(Refused, match=code):
            sent(**changes)
    assert bank.models() == before


def test_the_command_line_from_a_card_to_scores(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a person does it: list features, look at the model, record, score through a pipe."""
    city = bench.served.city
    clients = city.settings.home / "clients"
    for name, value in {
        "LOUVER_TARGET": bench.served.address,
        "LOUVER_CERTIFICATE": str(clients / "bank_a.pem"),
        "LOUVER_KEY": str(clients / "bank_a.key"),
        "LOUVER_CA": str(city.settings.pki / "authority.pem"),
        "LOUVER_LOG_KEY": city.log_key,
        "LOUVER_KEYS": str(clients / "bank_a-keys"),
        "LOUVER_KEY_PASSPHRASE": "demonstration",
        "LOUVER_CONFIG": str(tmp_path / "none.toml"),
    }.items():
        monkeypatch.setenv(name, value)
    run = CliRunner().invoke
    shown = run(app, ["models", "features", "enterprise-credit"])
    assert shown.exit_code == 0, shown.output
    assert "tax_score" in shown.stdout
    lines = ['model = "cli"', 'version = "1"', 'feature_set = "enterprise-credit"', "base = 600"]
    for one in bench.features.features:
        lines += [f"[points.{one.name}]", *(f'"{name}" = {POINTS[one.name][at]}' for at, name in enumerate(one.bins))]
    lines += ["[explained]", 'tax_grade = "no scale"']
    (tmp_path / "card.toml").write_text("\n".join(lines))
    prepared = run(app, ["models", "prepare", str(tmp_path / "card.toml")])
    assert prepared.exit_code == 0, prepared.output
    auditor = city.settings.secrets / "auditors" / "model-auditor.key"
    audited = run(app, ["models", "audit", str(tmp_path / "card.opening"), "--key", str(auditor)])
    assert audited.exit_code == 0, audited.output
    assert (tmp_path / "card.opening").stat().st_mode & 0o077 == 0
    listed = run(app, ["models", "list"])
    assert "small-firms/1" in listed.stdout
    (subject,) = firms(city, 84)[83:]
    (tmp_path / "consent.pdf").write_bytes(b"signed")
    options = [part for table in SCOPE for part in ("--scope", table)]
    evidence = ["--until", "2099-12-31", "--since", "2026-01-01", "--evidence", str(tmp_path / "consent.pdf")]
    recorded = run(app, ["authorisations", "record", subject, "--purpose", PURPOSE, *options, *evidence])
    assert recorded.exit_code == 0, recorded.output
    file = f"subject,authorisation\n{subject},{recorded.stdout.strip()}\n{NOBODY},none\n"
    scored = run(app, ["score", "-", "--model", "small-firms/1", "--purpose", PURPOSE], input=file)
    assert scored.exit_code == 0, scored.output
    expected = bench.card.score(plain_bins(city, bench.features, [subject])[subject])
    assert scored.stdout == f"subject,score\n{subject},{expected}\n{NOBODY},\n"
    assert "(1 of 2 have a score; 2 charged)" in scored.stderr


def test_no_point_and_no_score_is_anywhere_on_the_platform(bench: Bench, tmp_path: Path) -> None:
    """Whatever files the platform has written hold nothing of an opening and no score; a leak would be found."""
    home, opening = bench.served.city.settings.home, bench.opening
    (subject,) = firms(bench.served.city, 85)[84:]
    answer = bench.bank.score([(subject, authorise(bench.bank, subject))], model="small-firms/1")
    line = f"{subject},{answer.rows[0].score}"
    assert answer.scored == 1
    marks = [opening.salt, opening.salt.hex().encode(), json.dumps(opening.points).encode(), line.encode()]

    def holds(folder: Path) -> bool:
        files = files_below(folder, lambda path: path.suffix not in {".duckdb", ".parquet"})
        return any(mark in held for _, held in files for mark in marks)

    assert not holds(home)
    for leak in (opening.to_json(), f"subject,score\n{line}\n".encode()):
        (tmp_path / "leak").write_bytes(leak)
        assert holds(tmp_path)
