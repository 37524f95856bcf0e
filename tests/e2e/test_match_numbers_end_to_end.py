"""Numbers and sums of matches through a real client and a real service: near the plain computation, paid for, the same
for the same batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from tests.e2e.soundness import entries, wrongs
from tests.support.installation import Service
from tests.support.matched_city import RED, louver_command, plain

import louver

Book = Sequence[tuple[str, int]]
NEVER = 4
"""Times the reach of 95 in 100: eight standard deviations, which no draw is off."""


def met(served: Service, day: str) -> list[int]:
    """What the book has of the red list, subject by subject."""
    found = plain(
        served,
        "SELECT sum(CAST(round(l.balance * 100) AS BIGINT)) FROM BOOK l JOIN (SELECT DISTINCT subject_id FROM LIST "
        f"WHERE polarity = 'R' AND repaired_on IS NULL AND subject_class <> 'P' AND valid_to >= DATE '{day}') c "
        "ON c.subject_id = l.id_no GROUP BY l.id_no",
    )
    return [int(amount) for (amount,) in found]


def test_numbers_and_sums_are_those_of_the_plain_computation_within_their_noise(
    matched: Service, matching: louver.Client, book: Book
) -> None:
    ids, amounts = [id_ for id_, _ in book], [amount for _, amount in book]
    count = matching.match(ids, list=RED, mode="count")
    total = matching.match(ids, list=RED, mode="sum", amounts=amounts)
    true = met(matched, count.day)
    assert len(true) > 10
    assert count.value is not None
    assert total.value is not None
    assert count.accuracy is not None
    assert total.accuracy is not None
    assert (count.accuracy.kind, count.accuracy.below) == ("count", count.accuracy.above)
    assert total.accuracy.kind == "sum"
    assert abs(count.value - len(true)) <= NEVER * Decimal(count.accuracy.below or 0)
    assert abs(total.value - sum(true)) <= NEVER * Decimal(total.accuracy.below or 0)
    assert "in 95 of 100 matches" in count.accuracy.text()
    assert "95" in total.accuracy.text("zh")
    assert (count.hits, count.rows) == ((), [])


def test_the_bound_of_amounts_is_signed_logged_and_in_the_receipt(
    matched: Service, matching: louver.Client, book: Book
) -> None:
    """By default it is the largest amount; whoever declares more pays with noise."""
    ids, amounts = [id_ for id_, _ in book], [1 for _ in book]
    found = [matching.match(ids, list=RED, mode="sum", amounts=amounts, largest=most) for most in (None, 1000)]
    assert [one.largest for one in found] == [1, 1000]
    assert [one.proof and one.proof.entry["largest"] for one in found] == [1, 1000]
    reaches = [Decimal(one.accuracy.below or 0) for one in found if one.accuracy is not None]
    assert reaches[1] > 500 * reaches[0] > 0
    logged = [one["largest"] for one in entries(matched.city, kind="admission") if one.get("mode") == "sum"]
    assert {1, 1000} <= set(logged)


def test_the_same_batch_has_the_same_number_and_costs_no_privacy(
    matched: Service, matching: louver.Client, book: Book
) -> None:
    ids = [id_ for id_, _ in book][1:]
    first, again = (matching.match(sent, list=RED, mode="count") for sent in (ids, ids[::-1]))
    assert first.value == again.value
    assert [(one.unit, one.free) for one in first.privacy] == [("enterprise", False)]
    assert [(one.unit, one.free) for one in again.privacy] == [("enterprise", True)]
    assert first.privacy[0].cost.rho > 0
    assert first.privacy[0].left == again.privacy[0].left
    assert first.proof is not None
    assert again.proof is not None
    assert first.proof.entry["result_digest"] == again.proof.entry["result_digest"]


def test_the_command_line_tells_a_sum_in_its_own_unit(
    matched: Service, matching: louver.Client, book: Book, tmp_path: Path
) -> None:
    table = tmp_path / "book.csv"
    rows = "".join(f"{id_},{amount / 100:.2f}\n" for id_, amount in book)
    table.write_text(f"id_no,yuan\n{rows}", encoding="utf-8")
    command = ("match", str(table), "--column", "id_no", "--list", RED, "--purpose", "POST_LOAN", "--mode", "sum")
    summed = louver_command(matched, *command, "--amount", "yuan", "--format", "json")
    assert summed.returncode == 0, summed.stderr
    said = json.loads(summed.stdout)
    ids, amounts = [id_ for id_, _ in book], [amount for _, amount in book]
    by_hand = matching.match(ids, list=RED, mode="sum", amounts=amounts)
    assert (said["value"], said["verified"], said["largest"]) == (by_hand.value, True, max(amounts))
    assert by_hand.accuracy is not None
    assert by_hand.accuracy.below is not None
    assert f"within {by_hand.accuracy.below.scaleb(-2):f} of the one shown" in summed.stderr
    assert "epsilon" in summed.stderr
    small = louver_command(matched, *command, "--amount", "yuan", "--largest", "0.01")
    assert small.returncode == 2
    assert "largest" in small.stderr


def test_the_books_hold_after_all_of_it(matched: Service) -> None:
    assert wrongs(matched.city) == []
