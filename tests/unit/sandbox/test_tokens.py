"""Tokens in place of ids: what both sides compute, and what of an upload is let in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.ipc
import pytest
from tests.support.policy_questions import (
    BANK_B,
)
from tests.support.tokenised import (
    A07,
    GRADED,
    LOANS,
    asked,
    planned,
    raw,
    spelt,
    uploaded,
)
from tests.support.tokens import House, house, publish
from tests.unit.sandbox.test_uploads_ingest import stream

from louver.failures import Misused
from louver.matching.subjects import value_of
from louver.tokens.columns import METADATA, TOKEN_BYTES, TokenColumn
from louver_sandbox.engines.engine import Translation
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.oprf import JOIN_USE, MATCH_USE, Key
from louver_sandbox.matching.process import Matcher
from louver_sandbox.refusals.catalog import UPLOAD_REFUSALS
from louver_sandbox.uploads.ingest import UploadRefused, table_path
from louver_sandbox.uploads.registry import _column


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def test_a_question_over_tokens_is_answered_as_over_ids(here: House, tmp_path: Path) -> None:
    publish(here, "graded", GRADED)
    loans, key = uploaded(here)
    made = planned(key)
    here.tables.ready(made, "bank_a")
    paths = here.tables.paths(made.tokens[0], made.sources, "bank_a")
    ids = raw(tmp_path, [{**loan, "id_no": spelt(loan["id_no"])} for loan in LOANS])
    graded = here.settings.snapshots / "graded.duckdb"
    expected = asked(A07, ids, graded)
    assert expected == [("A", 7, 2), ("B", 7, 2)]
    assert asked(A07, loans, graded, (Translation("id_no", tuple(map(str, paths))),)) == expected
    # A question that joins nothing reads texts of tokens, and the same rows are of one customer.
    (counted,) = asked(
        "SELECT count(*), count(id_no), count(DISTINCT id_no), min(length(id_no)) FROM s1.data", loans, graded,
        (Translation("id_no", ()),),
    )  # fmt: skip
    assert counted == (24, 22, 7, 6 + 2 * TOKEN_BYTES)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM s2.data t WHERE t.uscc IN (SELECT id_no FROM s1.data)",
        "SELECT count(*) FROM s1.data l WHERE NOT EXISTS (SELECT 1 FROM s2.data t WHERE t.uscc = l.id_no)",
        "SELECT t.grade, count(*) FROM s1.data l LEFT JOIN s2.data t ON t.uscc = l.id_no GROUP BY 1 ORDER BY 1",
        "SELECT count(*), count(l.loan), count(t.grade) FROM s1.data l FULL JOIN s2.data t ON t.uscc = l.id_no",
        "SELECT t.grade, sum(c.n) FROM (SELECT id_no, count(*) AS n FROM s1.data GROUP BY 1) c "
        "JOIN s2.data t ON t.uscc = c.id_no GROUP BY 1 ORDER BY 1",
        "SELECT count(*) FROM s1.data l JOIN s1.data m ON l.id_no = m.id_no AND l.loan < m.loan",
        "SELECT l.loan, t.grade FROM s1.data l LEFT JOIN s2.data t ON t.uscc = l.id_no ORDER BY 1 LIMIT 7",
        "SELECT count(*) FROM s1.data l LEFT JOIN s2.data t ON t.uscc = l.id_no WHERE t.grade IS NULL",
        "SELECT count(*) FILTER (WHERE id_no IS NULL), count(DISTINCT id_no) FROM s1.data",
    ],
)
def test_every_form_of_join_means_the_same(stored: tuple[Path, Path, Path, Translation], sql: str) -> None:
    loans, ids, graded, translation = stored
    expected = asked(sql, ids, graded)
    assert expected
    assert asked(sql, loans, graded, (translation,)) == expected


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path, Path, Translation]]:
    """Loans by tokens and by ids, grades, and how the engine reads the first."""
    folder = tmp_path_factory.mktemp("stored")
    (folder / "house").mkdir()
    with house(folder / "house") as made_here:
        publish(made_here, "graded", GRADED)
        loans, key = uploaded(made_here)
        made = planned(key)
        made_here.tables.ready(made, "bank_a")
        paths = made_here.tables.paths(made.tokens[0], made.sources, "bank_a")
        ids = raw(folder, [{**loan, "id_no": spelt(loan["id_no"])} for loan in LOANS])
        yield loans, ids, made_here.settings.snapshots / "graded.duckdb", Translation("id_no", tuple(map(str, paths)))


def test_nothing_stored_of_an_upload_has_an_id_that_is_not_published(here: House) -> None:
    publish(here, "graded", GRADED)
    _, key = uploaded(here)
    here.tables.ready(planned(key), "bank_a")
    stored = [path.read_bytes() for path in here.settings.home.rglob("*") if path.is_file()]
    assert len(stored) > 4
    assert not [content for content in stored if b"91370200MA0000005X" in content]
    assert [content for content in stored if b"91370200MA0000001X" in content], "of a published one it is known"


def test_tables_of_tokens_hold_published_ids_once_in_their_one_spelling(here: House) -> None:
    publish(here, "graded", [*GRADED, {"uscc": "91370200-MA0000001X", "grade": "B"}])
    _, key = uploaded(here)
    made = planned(key)
    here.tables.ready(made, "bank_a")
    (path,) = here.tables.paths(made.tokens[0], made.sources, "bank_a")
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = dict(connection.execute("SELECT id, token FROM main.data").fetchall())
        assert len(rows) == connection.execute("SELECT count(*) FROM main.data").fetchall()[0][0]
    assert sorted(rows) == [f"91370200MA{n:07d}X" for n in range(5)]
    (token,), public = here.evaluate("uscc", [value_of("91370200MA0000001X")])
    assert public == key
    assert rows["91370200MA0000001X"] == token[:TOKEN_BYTES]


def test_tokens_of_banks_of_elements_and_of_lists_have_nothing_in_common(here: House) -> None:
    seed = (here.settings.matching / matcher.JOIN_FILE).read_bytes()
    value = value_of("91370200MA0000001X")
    scopes = [("bank_a", "uscc"), ("bank_b", "uscc"), ("bank_a", "subject_code")]
    keys = [*(Key(seed, JOIN_USE, *scope) for scope in scopes), Key(seed, MATCH_USE, *scopes[0])]
    assert len({key.token(value) for key in keys}) == len({key.public for key in keys}) == 4
    (token,), public = here.evaluate("uscc", [value])
    assert (token, public) == (keys[0].token(value), keys[0].public.hex())
    # The line of tokens asks for keys of joins only, and the matcher has another seed for those of lists.
    assert here.pool.asked == [matcher.JOIN, matcher.ELEMENTS, matcher.EVALUATE]
    lists = Matcher(bytes(32), lambda name: b"", seed)
    assert lists.answer(matcher.KEY + b"bank_a\0uscc")[1:] != lists.answer(matcher.JOIN + b"bank_a\0uscc")[1:]


def test_tokens_of_another_bank_meet_nothing(here: House) -> None:
    """A bank that has got hold of another's upload cannot make it its own."""
    publish(here, "graded", GRADED)
    _, own = uploaded(here)
    stolen = pa.ipc.open_stream(here.upload(LOANS, {"id_no": "uscc"}, BANK_B)).read_all()
    field = stolen.schema.field("id_no").with_metadata({METADATA: TokenColumn("uscc", own).to_bytes()})
    taken = here.taken(stream(stolen.cast(stolen.schema.set(1, field))))
    made = planned(own)
    here.tables.ready(made, "bank_a")
    tokens = tuple(map(str, here.tables.paths(made.tokens[0], made.sources, "bank_a")))
    path = table_path(here.settings.uploads / "bank_a", taken.digest)
    assert asked(A07, path, here.settings.snapshots / "graded.duckdb", (Translation("id_no", tokens),)) == []


def forged(cells: list[bytes | None], told: bytes, width: int = TOKEN_BYTES) -> bytes:
    field = pa.field("id_no", pa.binary(width), metadata={METADATA: told})
    return stream(pa.table({"id_no": pa.array(cells, pa.binary(width))}, schema=pa.schema([field])))


GOOD = TokenColumn("uscc", "ab" * 32)


@pytest.mark.parametrize(
    ("told", "width"),
    [
        (GOOD.to_bytes(), 32),
        (GOOD.to_bytes(), 15),
        (TokenColumn("no_element", "ab" * 32).to_bytes(), TOKEN_BYTES),
        (TokenColumn("uscc", "AB" * 32).to_bytes(), TOKEN_BYTES),
        (TokenColumn("uscc", "ab").to_bytes(), TOKEN_BYTES),
        (replace(GOOD, scheme="other").to_bytes(), TOKEN_BYTES),
        (b"{", TOKEN_BYTES),
        (b"[" * 100_000, TOKEN_BYTES),
        (json.dumps({"element": ["uscc"], "key": "ab" * 32}).encode(), TOKEN_BYTES),
    ],
)
def test_columns_that_are_not_of_the_form_are_refused_and_leave_nothing(here: House, told: bytes, width: int) -> None:
    with pytest.raises(UploadRefused) as caught:
        here.taken(forged([bytes(width)], told, width))
    assert caught.value.code == "LVR-5324"
    assert UPLOAD_REFUSALS["LVR-5324"]({}).hint
    assert not list((here.settings.uploads / "bank_a").iterdir())


def test_a_column_of_tokens_may_repeat_them_and_lack_some_and_what_is_cut_off_is_refused(here: House) -> None:
    content = forged([b"a" * 16, b"a" * 16, None], GOOD.to_bytes())
    taken = here.taken(content)
    (stored,) = map(_column, taken.columns)
    assert (stored.element, stored.tokens, stored.encrypted) == ("uscc", "ab" * 32, "")
    assert (stored.nullable, stored.unique, stored.distinct) == (True, False, 1)
    assert here.taken(content).digest == taken.digest
    others = (
        forged([b"a" * 16, None, b"a" * 16], GOOD.to_bytes()),
        forged([b"a" * 16, b"a" * 16, None], TokenColumn("uscc", "cd" * 32).to_bytes()),
        forged([b"a" * 16, b"a" * 16, None], TokenColumn("subject_code", "ab" * 32).to_bytes()),
    )
    assert len({taken.digest, *(here.taken(other).digest for other in others)}) == 4
    for size in (len(content) // 2, len(content) - 8):
        with pytest.raises(UploadRefused, match="LVR-4001"):
            here.taken(content[:size])


@pytest.mark.parametrize(
    ("rows", "columns", "why"),
    [
        ([{"id_no": 5}], {"id_no": "uscc"}, "holds no text"),
        ([{"id_no": "A1"}], {"other": "uscc"}, "no column other"),
        ([{"id_no": "???"}], {"id_no": "uscc"}, "holds no id"),
    ],
)
def test_the_client_turns_away_what_has_no_ids(here: House, rows: object, columns: dict[str, str], why: str) -> None:
    with pytest.raises(Misused, match=why):
        here.upload(rows, columns)
    assert here.entries() == []
