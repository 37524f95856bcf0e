"""The way of an auditor's sample: drawn, handed out, opened by the institution, proved; and everybody who cheats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.support.sealed import small_key

from louver.encoding import encode
from louver.errors import Unproven
from louver.failures import Misused
from louver.sealing import bulk
from louver.sealing.audits import Opening
from louver.sealing.ciphertexts import Owner
from louver.sealing.samples import Openings, Request, Sample, drawn, looked_into, opened
from louver.sealing.uploading import numbers_of

KEY, OTHER = small_key(), small_key(2)
OWNER = Owner(KEY)
ROWS = 60
OWN = {"balance": [1000 + 7 * row for row in range(ROWS)], "days": [row % 5 for row in range(ROWS)]}
COLUMNS = (("balance", 2), ("days", 0))
UPLOADED = OWNER.encrypt([OWN[name][row] for row in range(ROWS) for name, _ in COLUMNS])
REQUEST = drawn("bank_a", "loans", "ab" * 32, ROWS, 12, lambda size: bytes(range(size)))
MOST = {"balance": 2000, "days": 3650}


def sampled(uploaded: Sequence[object] = UPLOADED, request: Request = REQUEST) -> Sample:
    """As the operator makes it."""
    rows = tuple(tuple(int(uploaded[2 * row + place]) for place in range(2)) for row in request.chosen)  # type: ignore[call-overload]
    return Sample(request, format(int(KEY.public.n), "x"), COLUMNS, rows)


def test_an_honest_sample_goes_through_all_three_files() -> None:
    request = Request.from_json(REQUEST.to_json())
    sample = Sample.from_json(sampled().to_json())
    assert (request, sample) == (REQUEST, sampled())
    openings = Openings.from_json(opened(sample, OWNER, OWN).to_json())
    found = looked_into(request, sample, openings, MOST)
    assert len({one.row for one in found}) == 12
    assert [(one.row, one.column) for one in found] == [(row, name) for row in REQUEST.chosen for name, _ in COLUMNS]
    assert all(one.number == OWN[one.column][one.row] and not one.above for one in found)
    low = looked_into(request, sample, openings, {"balance": 1100, "days": 3})
    assert {(one.row, one.column) for one in low if one.above} == {
        (row, name) for row in REQUEST.chosen for name, bound in (("balance", 1100), ("days", 3))
        if OWN[name][row] > bound
    }  # fmt: skip


def test_the_numbers_of_a_table_are_those_that_were_encrypted() -> None:
    table = pa.table(
        {"id": ["a", "b"], "balance": pa.array(["12.50", "-0.01"]).cast(pa.decimal128(18, 2)), "n": [3, 4]}
    )
    with encode(table) as content:
        assert numbers_of(content, {"balance": 2, "n": 0}) == {"balance": [1250, -1], "n": [3, 4]}


@pytest.mark.parametrize("seed", [b"\1" * 32, b"\2" * 32])
def test_rows_follow_from_the_auditors_seed_and_nobody_elses_wish(seed: bytes) -> None:
    other = drawn("bank_a", "loans", "ab" * 32, ROWS, 12, lambda size: seed)
    assert other.chosen != REQUEST.chosen
    cheating = replace(sampled(), request=other)
    with pytest.raises(Misused, match="another request"):
        looked_into(REQUEST, cheating, opened(sampled(), OWNER, OWN), MOST)


def test_a_bank_opens_nothing_but_what_it_uploaded_itself() -> None:
    """Whoever has the platform's ear puts another of the bank's ciphertexts into a row: a scorecard's points, the sum
    of a sealed answer. The naive bank decrypts and shows what it is."""
    (secret,) = OWNER.encrypt([314_159])
    rows = list(sampled().ciphertexts)
    rows[3] = (int(secret), rows[3][1])
    crafted = replace(sampled(), ciphertexts=tuple(rows))
    assert OWNER.decrypt([secret]) == [314_159]
    with pytest.raises(Misused, match="nothing was opened") as caught:
        opened(crafted, OWNER, OWN)
    assert "314" not in str(vars(caught.value))
    for broken in (0, int(KEY.public.n), int(KEY.public.square)):
        rows[3] = (broken, rows[3][1])
        with pytest.raises(Misused, match="nothing was opened"):
            opened(replace(crafted, ciphertexts=tuple(rows)), OWNER, OWN)


def test_rows_in_another_order_are_not_opened_either() -> None:
    swapped = sampled().ciphertexts
    with pytest.raises(Misused, match="nothing was opened"):
        opened(replace(sampled(), ciphertexts=(*swapped[1:], swapped[0])), OWNER, OWN)


def test_a_table_of_another_length_or_key_is_told_apart() -> None:
    with pytest.raises(Misused, match="60 rows"):
        opened(sampled(), OWNER, {name: numbers[:-1] for name, numbers in OWN.items()})
    with pytest.raises(Misused, match="another key"):
        opened(sampled(), Owner(OTHER), OWN)


def test_a_bank_that_broke_its_word_cannot_show_another_number() -> None:
    """It uploaded zeros and one large amount, and would show what the contract says."""
    broken = {"balance": [0] * ROWS, "days": [0] * ROWS}
    for row in REQUEST.chosen[:2]:
        broken["balance"][row] = 5_000_000
    uploaded = OWNER.encrypt([broken[name][row] for row in range(ROWS) for name, _ in COLUMNS])
    sample = sampled(uploaded)
    honest = opened(sample, OWNER, broken)
    found = looked_into(REQUEST, sample, honest, MOST)
    assert [one.row for one in found if one.above] == REQUEST.chosen[:2]
    lies = list(honest.rows)
    lies[0] = (Opening(1000, lies[0][0].randomness), lies[0][1])
    with pytest.raises(Unproven, match="not inside its ciphertext"):
        looked_into(REQUEST, sample, replace(honest, rows=tuple(lies)), MOST)
    for others in (honest.rows[:-1], (*honest.rows, honest.rows[0]), tuple(row[:1] for row in honest.rows)):
        with pytest.raises(Unproven, match="other rows"):
            looked_into(REQUEST, sample, replace(honest, rows=others), MOST)


def test_a_column_without_a_bound_is_not_passed_over() -> None:
    with pytest.raises(Misused, match="days has no bound"):
        looked_into(REQUEST, sampled(), opened(sampled(), OWNER, OWN), {"balance": 2000})


BROKEN = [b"", b"{}", b"[1]", b"[" * 100_000, b'{"format": "louver-upload-sample/1"}']


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("form", [Request, Sample, Openings])
def test_a_file_that_is_none_is_told(form: type[Request] | type[Sample] | type[Openings], text: bytes) -> None:
    with pytest.raises(Misused, match="this file is no"):
        form.from_json(text)


@pytest.mark.parametrize(
    "change",
    [{"seed": "00"}, {"seed": "zz"}, {"count": 0}, {"count": ROWS + 1}, {"count": 10**9, "rows": 10**10},
     {"rows": "60"}, {"count": 1.0}, {"rows": None}],
)  # fmt: skip
def test_a_request_that_would_take_for_ever_is_none(change: dict[str, object]) -> None:
    told = json.loads(REQUEST.to_json()) | change
    with pytest.raises(Misused):
        Request.from_json(json.dumps(told).encode())


@pytest.mark.parametrize("count", [0, ROWS + 1, 10_001])
def test_no_more_is_drawn_than_there_is(count: int) -> None:
    with pytest.raises(Misused, match="a sample has"):
        drawn("bank_a", "loans", "ab" * 32, ROWS, count)


def test_the_form_of_an_upload_is_that_of_samples(tmp_path: Path) -> None:
    """What the operator reads: ciphertexts row by row, as `bulk` has them."""
    header, body = bulk.read(bulk.write(UPLOADED, KEY.public, (2, 0)))
    assert (header.rows, header.scales) == (ROWS, (2, 0))
    assert bulk.numbers(body, KEY.public.width) == UPLOADED
