"""What ADR 55 says of amounts that the platform may not read: their sum over a list is a question over an encrypted
column, with the protection that such a question has."""

from __future__ import annotations

from pathlib import Path

from tests.support.encrypted import STRICT, asked, permit, some_lending
from tests.support.seeded_noise import SeededSampler, Silent

JOINED = "FROM bank_a.loan l JOIN gov.tax_credit t ON t.uscc = l.id_no"
LENDING = some_lending(60)
LISTED = sum(int(str(loan["amount"])) for number, loan in enumerate(LENDING.loans) if number % 3 == 0) / 100
"""What those come to who are on the list: firms in arrears."""


def test_by_contract_the_sum_opens_for_the_bank_with_noise_that_is_paid_for(tmp_path: Path) -> None:
    sql = f"SELECT count(*) AS n, sum(l.amount) AS owed {JOINED} WHERE t.arrears"
    exact, noisy = (
        asked(LENDING, permit(LENDING, sql), tmp_path, sampler) for sampler in (Silent(), SeededSampler(3))
    )
    assert exact.opened.sealed is not None
    assert float(exact.opened.rows[0][1]) == LISTED
    assert noisy.opened.rows[0][1] != exact.opened.rows[0][1]
    assert exact.plan.privacy


def test_without_a_contract_who_is_on_the_list_is_told_at_random_for_each_row(tmp_path: Path) -> None:
    made = asked(
        LENDING, permit(LENDING, f"SELECT t.arrears, sum(l.amount) {JOINED} GROUP BY 1", STRICT), tmp_path, None
    )
    assert made.opened.sealed is not None
    assert float(made.by_key[True][0]) != LISTED
    assert not made.plan.privacy
