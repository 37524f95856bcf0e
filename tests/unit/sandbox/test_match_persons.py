"""A person on a list that no statute makes public is hit by whoever brings the person's own authorisation, and looks to
everybody else like a person who is not on it (PRIVACY 7)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.matching import LIST, House, Listed, firm, house, match_bundle, terms
from tests.support.policy_questions import BANK_A, BANK_B
from tests.support.seeded_noise import Silent

from louver.errors import Refused
from louver.matching import oprf
from louver.matching.asking import Batch
from louver.matching.sets import LABEL_BYTES, TAG_BYTES
from louver_sandbox import journal
from louver_sandbox.consents import Consent, Consents
from louver_sandbox.policy.match_terms import MatchTerms
from louver_sandbox.stages import Subject

PURPOSE = "RESEARCH"


def person(number: int) -> str:
    """A made-up citizen number."""
    return f"37020019800101{number:04d}"


FIRMS = [firm(number) for number in range(30)]
PERSONS = [person(number) for number in range(12)]
LISTED = [
    *(Listed(one) for one in FIRMS[:12]),
    *(Listed(one, "P", list_code="LONG" * 20) for one in PERSONS[:6]),
    Listed(PERSONS[6], "P", repaired_on=date(2026, 6, 1)),
    Listed(PERSONS[7], "P", valid_to=date(2026, 6, 1)),
]
BOOK = [*FIRMS, *PERSONS]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, LISTED, bundle=match_bundle(matching=terms(authorised=True))) as opened:
        yield opened


def authorise(here: House, subject: str, who: Subject = BANK_A, **changes: Any) -> str:
    """An authorisation that covers a hit."""
    today = here.clock().date()
    given: dict[str, Any] = {
        "unit": "person",
        "subject": subject,
        "purpose": PURPOSE,
        "scope": ("gov.credit_list",),
        "granted_on": (today - timedelta(days=1)).isoformat(),
        "expires_on": (today + timedelta(days=30)).isoformat(),
        "evidence_sha256": "ab" * 32,
        "single_consent": True,
        "adverse_notice": True,
        "uses": 1,
        **changes,
    }
    return consents(here).record(who, Consent(**given))[0]


def consents(here: House) -> Consents:
    return Consents(here.books.state, here.clock, partial(journal.appended, here.books))


def test_a_person_is_hit_by_the_own_authorisation_and_by_nothing_else(here: House) -> None:
    brought = [authorise(here, PERSONS[0]), authorise(here, PERSONS[3])]
    plain, found = here.ask(BOOK), here.ask(BOOK, authorisations=brought)
    assert set(plain.hits) == set(FIRMS[:12])
    assert set(found.hits) == {*FIRMS[:12], PERSONS[0], PERSONS[3]}
    assert found.hits[PERSONS[0]][0]["list_code"] == "LONG" * 20
    assert plain.set is not None
    assert found.set is not None
    assert plain.set.digest == found.set.digest, "the set is the same for everybody"
    assert (len(plain.personal), len(found.personal)) == (0, 2 * found.set.record_bytes)


def uncovered(here: House) -> dict[str, str]:
    """One authorisation of each kind that covers nothing, all of a person who is on the list or of nobody."""
    today = here.clock().date()
    revoked, used = authorise(here, PERSONS[0]), authorise(here, PERSONS[0])
    consents(here).revoke(revoked, "bank_a")
    here.ask(BOOK, authorisations=[used])
    return {
        "revoked": revoked,
        "used up": used,
        "unknown": str(uuid.uuid4()),
        "another's": authorise(here, PERSONS[0], BANK_B),
        "another purpose": authorise(here, PERSONS[0], purpose="LOAN_ORIGINATION"),
        "another table": authorise(here, PERSONS[0], scope=("gov.tax_credit",)),
        "expired": authorise(here, PERSONS[0], expires_on=(today - timedelta(days=1)).isoformat()),
        "not yet": authorise(here, PERSONS[0], granted_on=(today + timedelta(days=1)).isoformat()),
        "no separate consent": authorise(here, PERSONS[0], single_consent=False),
        "a firm's": authorise(here, FIRMS[20], unit="enterprise"),
        "not on the list": authorise(here, PERSONS[9]),
        "repaired": authorise(here, PERSONS[6]),
        "out of date": authorise(here, PERSONS[7]),
        "not in the batch": authorise(here, person(500)),
    }


def test_whatever_covers_nothing_looks_like_a_person_who_is_not_on_the_list(here: House) -> None:
    seen = {}
    for why, identity in uncovered(here).items():
        found = here.ask(BOOK, authorisations=[identity])
        admission, outcome = (
            {key: value for key, value in here.entries(kind)[-1].items() if key not in CHANGING}
            for kind in ("admission", "outcome")
        )
        admission["charges"] = str(admission["charges"])
        seen[why] = (set(found.hits), len(found.personal), admission, outcome)
    assert len(seen) == 14
    first = seen["unknown"]
    assert first[0] == set(FIRMS[:12])
    assert [why for why, one in seen.items() if one != first] == []
    hit = here.ask(BOOK, authorisations=[authorise(here, PERSONS[0])])
    assert set(hit.hits) == {*FIRMS[:12], PERSONS[0]}, "the check itself sees"
    assert len(hit.personal) == first[1]


CHANGING = {"commitments", "index", "time", "request_id", "request_digest", "batch_sha256", "result_digest", "charged",
            "ledger", "admission"}  # fmt: skip


def test_no_persons_record_is_in_the_set_that_everybody_gets(here: House) -> None:
    found = here.ask(BOOK, authorisations=[authorise(here, one) for one in PERSONS[:6]])
    assert found.set is not None
    size = LABEL_BYTES + found.set.header.entry_bytes + TAG_BYTES
    content = (here.settings.matching / "sets" / f"{found.set.header.edition}.set").read_bytes()
    records = [found.personal[start : start + size] for start in range(0, len(found.personal), size)]
    assert len(records) == 6
    assert len(set(found.hits) & set(PERSONS)) == 6, "each of them opens"
    assert not any(record[:LABEL_BYTES] in content for record in records)


def test_a_retry_gets_the_same_and_uses_nothing_and_a_revocation_ends_it(here: House) -> None:
    held, request = authorise(here, PERSONS[0]), str(uuid.uuid4())
    batch = BOOK

    def asked() -> Any:
        return here.ask(batch, request_id=request, authorisations=[held])

    first = asked()
    assert PERSONS[0] in first.hits
    other = here.ask(batch, authorisations=[held])
    assert PERSONS[0] not in other.hits, "it was good for one match"
    # The same request with another blinding is another batch, and a request id belongs to one.
    with pytest.raises(Refused, match="LVR-0106"):
        asked()


def test_what_is_tried_again_is_covered_only_while_it_still_would_be(here: House) -> None:
    held = authorise(here, PERSONS[0])
    batch = Batch.of(BOOK)
    blinded = oprf.blind(batch.values)
    asked = here.asked(blinded.elements, len(blinded), "hits", authorisations=[held])
    one, two = (here.hits(asked, batch, blinded) for _ in range(2))
    assert PERSONS[0] in one.hits
    assert (one.personal, one.hits) == (two.personal, two.hits)
    assert len(here.entries("admission")) == len(here.entries("outcome")) == 1
    consents(here).revoke(held, "bank_a")
    three = here.hits(asked, batch, blinded)
    assert PERSONS[0] not in three.hits
    assert len(three.personal) == len(one.personal)
    assert len(here.entries("outcome")) == 2, "other bytes have an entry of their own"
    assert len(here.entries("admission")) == 1


def test_an_authorisation_given_after_the_admission_adds_nothing_to_it(here: House) -> None:
    """The admission is what explains the rows that are read."""
    held = authorise(here, PERSONS[0], granted_on=(here.clock().date() + timedelta(days=2)).isoformat())
    batch = Batch.of(BOOK)
    blinded = oprf.blind(batch.values)
    asked = here.asked(blinded.elements, len(blinded), "hits", authorisations=[held])
    paid, _, _ = here.paid(asked, blinded.elements)
    assert paid.persons == (None,)
    with here.books.state.transaction() as tx:
        tx.exec_driver_sql("UPDATE authorisations SET granted_on = '2020-01-01'")
    again, _, _ = here.paid(asked, blinded.elements)
    assert again.again
    assert again.persons == (None,)


def test_numbers_never_count_them_and_other_lists_take_none(here: House, tmp_path: Path) -> None:
    held = authorise(here, PERSONS[0])
    for mode in ("count", "sum"):
        with pytest.raises(Refused, match="LVR-5120"):
            here.ask(BOOK, mode, authorisations=[held])
    here.line._sampler = Silent()
    assert here.ask(PERSONS + [firm(number) for number in range(700, 720)], "count").number == 0, "none counts"
    (tmp_path / "other").mkdir()
    with house(tmp_path / "other", LISTED) as plain, pytest.raises(Refused, match="LVR-5120"):
        plain.ask(BOOK, authorisations=[authorise(plain, PERSONS[0])])


def test_the_log_knows_why_behind_a_commitment(here: House) -> None:
    revoked = authorise(here, PERSONS[0])
    consents(here).revoke(revoked, "bank_a")
    here.ask(BOOK, authorisations=[revoked, held := authorise(here, PERSONS[1])])
    (entry,) = here.books.log.entries(0, 100, kind="admission")
    assert entry.fields["authorisations"] == 2
    text = here.books.log.open(entry.index)["authorisations"].text
    assert (revoked in text, held in text, "revoked" in text, "covered" in text) == (True,) * 4
    assert not any(said in str(entry.fields) for said in (revoked, held, PERSONS[0], PERSONS[1]))


def test_terms_say_either_a_statute_or_authorisations() -> None:
    for wrong in ({"persons": "statute"}, {"modes": ["count"]}):
        with pytest.raises(ValidationError, match="authorised"):
            MatchTerms.model_validate(terms(authorised=True, **wrong))
    assert "authorised" not in MatchTerms.model_validate(terms()).model_dump()
    assert MatchTerms.model_validate(terms(authorised=True)).model_dump()["authorised"] is True
    assert LIST.endswith("/black")
