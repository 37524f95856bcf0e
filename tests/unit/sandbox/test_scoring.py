"""The line of scores, in process: who gets one, what it costs, what is kept and logged, and what is refused."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError
from tests.support import scorecards
from tests.support.policy_questions import BANK_A
from tests.support.score_world import (
    FIRMS,
    KEY,
    PURPOSE,
    ScoreWorld,
    bins_of,
    documents,
    firm_table,
    register_key,
    score_world,
)
from tests.support.sealed import small_key

from louver.errors import Fault, Refused
from louver.receipt import Receipt
from louver.scoring.audit import Certificate, certify
from louver.scoring.results import Scores, opened
from louver_sandbox import inquiries, journal, standing
from louver_sandbox.catalog.model import Catalog, UnitType, Verb
from louver_sandbox.corrections import Change, Corrections, Kind
from louver_sandbox.plan.features import feature_plan, statement_about
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.features import Feature, FeatureSet
from louver_sandbox.policy.grants import GrantSet, Rulebook
from louver_sandbox.policy.linting.scores import feature_sets, idle_right
from louver_sandbox.policy.model import Grant, Platform, Policy
from louver_sandbox.recount import verify
from louver_sandbox.release.decode import WorkerLied
from louver_sandbox.scoring import registry
from louver_sandbox.scoring.bins import decode_bins
from louver_sandbox.scoring.line import Answered
from louver_sandbox.scoring.models import AuditorsRefused, parse_auditors
from louver_sandbox.scoring.registry import RegisteredModel

NOBODY = "91370200MA00000000"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ScoreWorld]:
    with score_world(tmp_path) as made:
        yield made


@pytest.fixture
def model(world: ScoreWorld) -> RegisteredModel:
    return world.registered()


def read(answered: Answered) -> list[Decimal | None]:
    scores = Scores.from_bytes(answered.content, KEY.public.width)
    return list(opened(scores, KEY, "small-firms", "1", 0))


def plain(world: ScoreWorld, firm: str) -> Decimal:
    card = scorecards.card(world.features)
    names = {one.name: one.bins[place] for one, place in zip(world.features.features, bins_of(firm), strict=True)}
    return card.score(names)


def test_scores_are_the_plain_ones_and_the_receipt_proves_them(world: ScoreWorld, model: RegisteredModel) -> None:
    pairs = [(firm, world.authorise(firm)) for firm in FIRMS]
    answered = world.score(model, pairs)
    expected = [plain(world, firm) for firm in FIRMS]
    assert len(set(expected)) > 5
    assert read(answered) == expected
    assert answered.cost == {"gov.firm query": 1, "scores.credit scores": 12}
    receipt = Receipt.from_bytes(answered.receipt)
    assert json.loads(receipt.entry)["model"] == model.digest
    assert not any(firm in receipt.entry.decode() for firm in FIRMS)


def test_a_score_is_given_again_until_it_is_no_longer_covered(world: ScoreWorld, model: RegisteredModel) -> None:
    pairs = [(firm, world.authorise(firm)) for firm in FIRMS[:3]]
    request = str(uuid.uuid4())
    first = world.score(model, pairs, request)
    assert world.score(model, pairs, request).content == first.content
    again = world.score(model, pairs)
    assert (again.content, again.cost) == (first.content, {})
    world.consents.revoke(pairs[1][1], "bank_a")
    later = world.score(model, pairs)
    assert [score is None for score in read(later)] == [False, True, False]
    assert later.cost == {"gov.firm query": 1, "scores.credit scores": 1}
    with pytest.raises(Refused, match="LVR-0106"):
        world.score(model, pairs[:1], request)


def test_a_revocation_one_second_earlier_counts(world: ScoreWorld, model: RegisteredModel) -> None:
    one, two = ((firm, world.authorise(firm)) for firm in FIRMS[:2])
    world.consents.revoke(one[1], "bank_a")
    assert [score is None for score in read(world.score(model, [one, two]))] == [True, False]


def test_what_fails_half_way_leaves_nothing_stays_charged_and_may_be_repeated(
    world: ScoreWorld, model: RegisteredModel
) -> None:
    pairs = [(firm, world.authorise(firm)) for firm in FIRMS[:2]]
    request = str(uuid.uuid4())
    world.broken.append(True)
    with pytest.raises(Fault):
        world.score(model, pairs, request)
    (aborted,) = world.line.books.log.entries(kind="aborted")
    assert (aborted.fields["reason"], aborted.fields["verb"]) == ("died", "score")
    assert not world.line.books.log.entries(kind="outcome")
    world.broken.clear()
    repeated = world.score(model, pairs, request)
    assert None not in read(repeated)
    assert repeated.cost == {}, "it was paid for already"
    assert len(world.line.books.log.entries(kind="admission")) == 1


def test_the_ledger_follows_from_the_log(world: ScoreWorld, model: RegisteredModel) -> None:
    for part in (FIRMS[:5], FIRMS[3:9]):
        world.score(model, [(firm, world.authorise(firm)) for firm in part])
    assert list(verify.differences(world.line.books.state)) == []


def test_budgets_end(tmp_path: Path) -> None:
    with score_world(tmp_path, subjects_per_day=5) as world:
        model = world.registered()
        world.score(model, [(firm, world.authorise(firm)) for firm in FIRMS[:4]])
        with pytest.raises(Refused, match="LVR-3001"):
            world.score(model, [(firm, world.authorise(firm)) for firm in FIRMS[4:6]])
        assert None not in read(world.score(model, [(FIRMS[4], world.authorise(FIRMS[4]))]))


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"least_subjects": 3}, "LVR-5214"),
        ({"models": ["bank_a/other"]}, "LVR-5213"),
        ({"models": ["bank_a/small-firms"]}, ""),
        ({"auditors": ["somebody-else"]}, "LVR-5213"),
    ],
)
def test_terms_of_a_grant_hold(tmp_path: Path, terms: dict[str, object], code: str) -> None:
    with score_world(tmp_path, **terms) as world:
        model = world.registered()
        pairs = [(firm, world.authorise(firm)) for firm in FIRMS[:2]]
        if code:
            with pytest.raises(Refused, match=code):
                world.score(model, pairs)
            assert [entry.fields["code"] for entry in world.line.books.log.entries(kind="refusal")] == [code]
        else:
            assert None not in read(world.score(model, pairs))


def test_nobody_else_may_use_a_model_and_no_other_purpose_is_granted(
    world: ScoreWorld, model: RegisteredModel
) -> None:
    pairs = [(FIRMS[0], world.authorise(FIRMS[0]))]
    with pytest.raises(Refused, match="LVR-5211"):
        world.score(model, pairs, who=replace(BANK_A, institution="bank_b"))
    with pytest.raises(Refused, match="LVR-5212"):
        world.score(model, pairs, purpose="RESEARCH")
    with pytest.raises(Refused, match="LVR-5211"):
        world.score(replace(model, digest="0" * 64), pairs)


def test_a_model_is_kept_once_and_never_changed(world: ScoreWorld, model: RegisteredModel) -> None:
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    key = scorecards.AUDITOR_KEY
    assert world.register(opening.model, certify(opening, scorecards.AUDITOR, key)) == model
    other = scorecards.opening(KEY, world.features, scorecards.card(world.features, base=601))
    with pytest.raises(Refused, match="LVR-5204"):
        world.register(other.model, certify(other, scorecards.AUDITOR, key))
    assert [entry.fields["model"] for entry in world.line.books.log.entries(kind="model")] == [model.digest]


def test_a_replaced_key_ends_its_models(world: ScoreWorld, model: RegisteredModel) -> None:
    """A key is replaced for a reason: no further score is encrypted to it."""
    pairs = [(FIRMS[0], world.authorise(FIRMS[0]))]
    request = str(uuid.uuid4())
    first = world.score(model, pairs, request)
    register_key(world.keys, small_key(2), world.line.clock())
    with pytest.raises(Refused, match="LVR-5202"):
        world.score(model, pairs)
    assert world.score(model, pairs, request).content == first.content


def test_models_of_a_quarter_end(tmp_path: Path) -> None:
    with score_world(tmp_path, models_per_quarter=1) as world:
        world.registered("1")
        with pytest.raises(Refused, match="LVR-5205"):
            world.registered("2")
        world.line.clock.now += timedelta(days=100)
        world.registered("2")


@pytest.mark.parametrize("auditor", ["nobody", scorecards.AUDITOR])
def test_a_signature_by_nobody_known_admits_nothing(world: ScoreWorld, auditor: str) -> None:
    opening = scorecards.opening(KEY, world.features, scorecards.card(world.features))
    with pytest.raises(Refused, match="LVR-5203"):
        world.register(opening.model, Certificate(auditor, b"\1" * 64))
    refused = world.line.books.log.entries(kind="model_refused")
    assert [entry.fields["code"] for entry in refused] == ["LVR-5203"]


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "ship"},
        {"subject": "a b"},
        {"purpose": "loan"},
        {"scope": ()},
        {"scope": ("gov.firm", "gov.firm")},
        {"granted_on": "2026-02-30"},
        {"granted_on": "2099-01-01"},
        {"evidence_sha256": "AB" * 32},
        {"uses": -1},
    ],
)
def test_half_an_authorisation_is_not_recorded(world: ScoreWorld, changes: dict[str, object]) -> None:
    with pytest.raises(Refused, match="LVR-5221"):
        world.authorise(FIRMS[0], BANK_A, **changes)
    assert not world.line.books.log.entries(kind="authorisation")


def test_somebody_elses_authorisation_is_revoked_by_its_grantee_or_the_operator_only(world: ScoreWorld) -> None:
    identity = world.authorise(FIRMS[0])
    for institution, known in (("bank_b", identity), ("bank_a", "none")):
        with pytest.raises(Refused, match="LVR-5222"):
            world.consents.revoke(known, institution)
    at = world.consents.revoke(identity, None, by="operator")
    assert world.consents.revoke(identity, "bank_a") == at
    (entry,) = world.line.books.log.entries(kind="authorisation_revoked")
    assert (entry.fields["by"], entry.fields["institution"]) == ("operator", "bank_a")


def test_a_subject_can_be_told_what_its_authorisation_was_used_for(world: ScoreWorld, model: RegisteredModel) -> None:
    pairs = [(firm, world.authorise(firm, uses=2)) for firm in FIRMS[:2]]
    world.score(model, pairs, first := str(uuid.uuid4()))
    other = world.registered("2")
    world.broken.append(True)
    with pytest.raises(Fault):
        world.score(other, pairs[:1], second := str(uuid.uuid4()))
    with world.line.books.state.reading() as tx:
        told = [(one.model, one.request_id, one.left) for one in registry.under(tx, pairs[0][1])]
        assert told == [("bank_a/small-firms/1", first, True), ("bank_a/small-firms/2", second, False)]
        assert len(registry.under(tx, pairs[1][1])) == 1
        assert registry.under(tx, "none") == ()
        uses = dict(standing.of_authorisation(tx, pairs[0][1]))
        assert set(uses) == {model.digest, other.digest}
        assert all(uses.values())
        plan = tx.exec_driver_sql("EXPLAIN QUERY PLAN SELECT * FROM scores WHERE authorisation = 'a'").fetchall()
        assert "scores_by_authorisation" in str(plan)


def test_whoever_scored_a_subject_hears_of_a_correction_and_whoever_did_in_vain_does_not(
    world: ScoreWorld, model: RegisteredModel
) -> None:
    """A score was computed on the record as it was. Who had none of a subject, since it had not authorised or is not
    there, is told nothing: a notice would say that it exists."""
    absent = NOBODY
    told, revoked = world.authorise(FIRMS[0]), world.authorise(FIRMS[1])
    world.consents.revoke(revoked, BANK_A.institution)
    pairs = [(FIRMS[0], told), (FIRMS[1], revoked), (absent, world.authorise(absent))]
    request_id = str(uuid.uuid4())
    world.score(model, pairs, request_id)
    books = world.line.books
    made = Corrections(books.state, world.line.clock, partial(journal.appended, books), lambda: str(uuid.uuid4()))
    numbers = [
        made.record(Change(UnitType.ENTERPRISE, firm, "gov.firm", Kind.REPAIRED, date(2026, 7, 1)))[1]
        for firm in (FIRMS[0], FIRMS[1], absent)
    ]
    assert numbers == [1, 0, 0]
    (notice,) = made.fetch(BANK_A.institution, 10)
    assert (notice.correction.change.subject, notice.requests) == (FIRMS[0], (request_id,))
    with books.state.reading() as tx:
        asked = [inquiries.about(tx, UnitType.ENTERPRISE, firm) for firm, _ in pairs]
        assert [[one.covered for one in found] for found in asked] == [[True], [False], [False]], "all are kept"
        assert inquiries.of_request(tx, BANK_A.institution, request_id) == (), (
            "a score is disputed as a lookup is not"
        )
    # The same score again is no other one, and a table that it was not made of is nothing to hear of.
    world.score(model, pairs[:1])
    other = Change(UnitType.ENTERPRISE, FIRMS[0], "gov.other", Kind.REPAIRED, date(2026, 7, 1))
    assert made.record(other)[1] == 0


def test_the_statement_reads_what_is_granted_and_repeats_no_text_of_a_caller() -> None:
    platform, policy = documents()
    table = firm_table()
    catalog = Catalog({table.name: table}, "")
    features = platform.feature_sets["credit"]
    columns = {table.name: ("uscc", *(f"c{number}" for number in range(10)))}
    planned = feature_plan(features, columns, catalog)
    said = statement_about(planned, ["9'); DROP", None])
    assert "WHERE \"uscc\" IN ('9''); DROP', '~'))" in said
    bundle = Bundle(platform, (policy,), "")
    (wanted,) = bundle.grant_sets(catalog)
    assert wanted == GrantSet(table.name, tuple(sorted(columns[table.name])), None)
    closed = replace(table, operable=frozenset({Verb.ANALYSE}))
    assert closed.name == table.name


@pytest.mark.parametrize(
    "broken",
    [
        {"take": "count", "column": "x"},
        {"take": "latest"},
        {"values": ["a"], "edges": ["1"]},
        {"edges": ["2", "1"]},
        {"edges": ["1", "1"]},
        {"edges": None},
        {"edges": None, "values": ["a", "a"]},
        {"edges": None, "values": ["missing"]},
        {"take": "sum", "edges": None, "values": ["a"]},
    ],
)
def test_a_feature_that_cannot_be_binned_is_no_feature(broken: dict[str, object]) -> None:
    whole = {"name": "f", "table": "gov.firm", "take": "max", "column": "x", "edges": ["1"]}
    assert Feature.model_validate(whole).bins == ("missing", "<1", ">=1")
    with pytest.raises(ValidationError):
        Feature.model_validate({**whole, **broken})


def test_a_set_without_features_or_with_one_twice_is_none() -> None:
    one = {"name": "f", "table": "gov.firm", "take": "count", "edges": ["1"]}
    for features in ([], [one, one]):
        with pytest.raises(ValidationError):
            FeatureSet.model_validate({"title": "t", "unit": "person", "subjects": "gov.firm", "features": features})


@pytest.mark.parametrize(
    "changes",
    [{"verbs": ["score", "analyse"]}, {"verbs": ["analyse"]}, {"treatment": "exact"}, {"scoring": None},
     {"row_filter": "c1 = 1"}],
)  # fmt: skip
def test_a_grant_to_score_stands_alone(changes: dict[str, object]) -> None:
    _, policy = documents()
    written = policy.grants[0].model_dump(mode="json", by_alias=True)
    assert Grant.model_validate(written) == policy.grants[0]
    with pytest.raises(ValidationError):
        Grant.model_validate({**written, **changes})


def test_bundles_from_before_scores_stay_canonical() -> None:
    platform, policy = documents()
    before = platform.model_copy(update={"feature_sets": {}})
    assert "feature_sets" not in before.model_dump(mode="json")
    rights = policy.grants[0].rights["c1"].model_copy(update={"score": False})
    assert "score" not in rights.model_dump(mode="json")
    assert PURPOSE in platform.purposes


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": "00"}', '{"a": "zz"}'])
def test_a_file_of_auditors_that_cannot_be_read_names_none(text: str) -> None:
    with pytest.raises(AuditorsRefused):
        parse_auditors(text)


def test_a_worker_that_lies_about_bins_is_not_believed() -> None:
    def reply(columns: dict[str, list[Any]], types: pa.DataType = pa.int64()) -> bytes:  # noqa: B008
        table = pa.table({name: pa.array(of, pa.string() if name == "id" else types) for name, of in columns.items()})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue().to_pybytes())

    asked = ["A", None, "B", "C"]
    honest: dict[str, list[Any]] = {"id": ["B", "A"], "b1": [2, 0]}
    assert decode_bins(reply(honest), asked, [3]) == [(0,), None, (2,), None]
    assert decode_bins(reply({"id": ["~"], "b1": [1]}), asked, [3]) == [None] * 4, "nobody has a place"
    for lie in (
        reply({**honest, "b1": [3, 0]}),
        reply({**honest, "b1": [-1, 0]}),
        reply({**honest, "b1": [None, 0]}),
        reply({**honest, "id": ["B", "B"]}),
        reply({**honest, "id": ["B", "D"]}),
        reply({**honest, "id": ["B", None]}),
        reply({"id": ["A", "B", "C", "~", "D"], "b1": [0] * 5}),
        reply({"b1": [0], "id": ["A"]}),
        reply(honest, pa.int32()),
        reply({**honest, "b2": [0, 0]}),
        reply(honest) * 2,
        reply(honest)[:-8],
        b"",
    ):
        with pytest.raises(WorkerLied):
            decode_bins(lie, asked, [3])
    with pytest.raises(WorkerLied):
        decode_bins(reply({"id": ["~"], "b1": [1]}), ["A"], [3])


def test_lint_tells_of_features_that_cannot_be_had() -> None:
    platform, policy = documents()
    table = firm_table()
    catalog = Catalog({table.name: table}, "")

    def told(house: Platform, *policies: Policy) -> set[str]:
        return {item.code for item in feature_sets(house, catalog, Rulebook.of(house, policies))}

    assert told(platform, policy) == set()
    assert told(platform) == {"unreachable-features"}
    written = platform.model_dump(mode="json")
    one = written["feature_sets"]["credit"]
    one["features"][0] |= {"column": "no_such"}
    one["features"][1] |= {"where": "no_such = 1"}
    one["features"][2] |= {"table": "gov.none"}
    one["unit"] = "person"
    codes = told(Platform.model_validate(written), policy)
    assert codes == {"unknown-column", "bad-predicate", "unknown-table", "no-such-subjects", "unreachable-features"}
    analysed = {**policy.grants[0].model_dump(mode="json", by_alias=True), "verbs": ["query"], "scoring": None}
    assert {item.code for item in idle_right(Grant.model_validate(analysed))} == {"idle-right"}
