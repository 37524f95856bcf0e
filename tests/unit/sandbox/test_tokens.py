"""Tokens in place of ids: what both sides compute, what is let in, how questions read them, and who may have them."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.ipc
import pytest
from tests.support.audit_logs import KEY
from tests.support.policy_questions import (
    AGENCY_C,
    BANK_A,
    BANK_B,
    STRANGER,
    bundle_of,
    city_catalog,
    grant,
    grant_document,
    policy,
)
from tests.support.relations import World, column, enterprise, question, readings, table
from tests.support.tokens import TERMS, House, house, publish
from tests.unit.sandbox.test_uploads_ingest import stream

from louver.errors import Refused
from louver.failures import Misused
from louver.matching import oprf
from louver.matching.subjects import canonical, value_of
from louver.receipt import Receipt
from louver.tokens.columns import METADATA, TOKEN_BYTES, TokenColumn
from louver_sandbox.algebra.types import TableName
from louver_sandbox.audit.verify import verify_log
from louver_sandbox.catalog.model import SpaceKind
from louver_sandbox.encrypted_core import TokenUse
from louver_sandbox.engines.duckdb import DuckDbEngine, open_hardened
from louver_sandbox.engines.engine import Job, Source, Translation, decode_job, encode_job
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.oprf import JOIN_USE, MATCH_USE, Key
from louver_sandbox.matching.process import Matcher
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.matching import rotate
from louver_sandbox.plan.plan import plan
from louver_sandbox.plan.verify import verify
from louver_sandbox.policy.match_lint import idle_tokens
from louver_sandbox.recount import verify as recount
from louver_sandbox.refusals.catalog import UPLOAD_REFUSALS
from louver_sandbox.stages import Plan, SourceRef, Subject
from louver_sandbox.uploads.ingest import UploadRefused, table_path
from louver_sandbox.uploads.registry import _column

LOANS: list[dict[str, Any]] = [
    {"loan": n, "id_no": id_}
    for n, id_ in enumerate(
        [
            *(f"91370200MA{n % 7:07d}X" for n in range(20)),
            " 9137 0200 MA00 0000 1x ",
            "９１３７０２００ＭＡ００００００２Ｘ",
            None,
            "-",
        ]
    )
]
"""Loans to seven firms, two of them in other spellings, one without an id and one with what is none."""
GRADED: list[dict[str, Any]] = [{"uscc": f"91370200MA{n:07d}X", "grade": "AB"[n % 2]} for n in range(4)] + [
    {"uscc": "91370200ma0000004x", "grade": "A"},
    {"uscc": None, "grade": "C"},
    {"uscc": "???", "grade": "C"},
]
A07 = "SELECT t.grade, count(*), count(DISTINCT l.id_no) FROM s1.data l JOIN s2.data t ON t.uscc = l.id_no GROUP BY 1 ORDER BY 1"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def uploaded(house_: House, who: Subject = BANK_A) -> tuple[Path, str]:
    """The table of loans as it is stored, and the key its tokens are under."""
    taken = house_.taken(house_.upload(LOANS, {"id_no": "uscc"}, who), who)
    assert house_.skipped == {"id_no": 1}
    return table_path(house_.settings.uploads / who.institution, taken.digest), taken.columns[1].key


def planned(key: str, graded_in: str = "graded") -> Plan:
    """As much of a plan as tables of tokens are made by."""
    use = TokenUse("s1", "id_no", "uscc", key, (("s2", "uscc"),))
    graded = table("gov.tax_credit", [column("uscc")]).name
    loans = table("bank_a.loan", [column("id_no")]).name
    sources = (SourceRef("s1", loans, "own"), SourceRef("s2", graded, graded_in))
    return replace(made_of("SELECT count(*) FROM gov.tax"), sources=sources, tokens=(use,))


def asked(sql: str, loans: Path, graded: Path, tokens: tuple[Translation, ...] = ()) -> list[tuple[Any, ...]]:
    """What the engine says, locked down as in a worker."""
    sources = (Source("s1", str(loans), tokens), Source("s2", str(graded)))
    job = decode_job(encode_job(Job(sources, (sql,), 100, 1 << 20, 64, 1, 5_000)))
    with open_hardened() as connection:
        answer = pa.ipc.open_stream(DuckDbEngine(connection).execute(job)).read_all()
    return [tuple(row.values()) for row in answer.to_pylist()]


def raw(folder: Path, loans: list[dict[str, Any]]) -> Path:
    """The same loans by ids, in their one spelling."""
    path = folder / "raw.duckdb"
    with duckdb.connect(str(path)) as connection:
        rows = pa.Table.from_pylist(loans)
        connection.register("rows", rows)
        connection.execute("CREATE TABLE main.data AS FROM rows")
    return path


def spelt(id_: object) -> str | None:
    try:
        return canonical(str(id_)) if id_ is not None else None
    except ValueError:
        return None


# What both sides compute.


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


# What is let in.


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


# How questions read them.

OWN = [
    replace(column("id_no"), element="uscc", tokens="ab" * 32, unique=True),
    replace(column("old_id"), element="uscc", tokens="cd" * 32),
    replace(column("person"), element="citizen_number", tokens="ab" * 32),
    column("branch"),
]
WORLD = World(
    (
        table("bank_a.loan", OWN, space=SpaceKind.INSTITUTION),
        table("bank_a.card", OWN[:1], space=SpaceKind.INSTITUTION),
        table("gov.tax", [replace(column("uscc"), element="uscc"), column("grade"), column("name")], [enterprise()]),
        table("gov.registry", [replace(column("uscc"), element="uscc"), column("section")], [enterprise()]),
    ),
    {},
)


def made_of(sql: str) -> Plan:
    found = plan(question(WORLD, sql))
    verify(found, readings(found))
    return found


@pytest.mark.parametrize(
    ("sql", "published"),
    [
        ("SELECT t.grade, count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no GROUP BY 1", [("s2", "uscc")]),
        (
            "SELECT t.grade, count(DISTINCT l.id_no) FROM loan l, gov.tax t WHERE t.uscc = l.id_no GROUP BY 1",
            [("s2", "uscc")],
        ),
        ("SELECT count(*) FROM gov.tax t WHERE t.uscc IN (SELECT id_no FROM loan)", [("s1", "uscc")]),
        (
            "SELECT count(*) FROM gov.tax t WHERE EXISTS (SELECT 1 FROM loan l WHERE l.id_no = t.uscc)",
            [("s1", "uscc")],
        ),
        (
            "WITH c AS (SELECT id_no AS who, count(*) AS n FROM loan WHERE id_no IS NOT NULL GROUP BY 1) "
            "SELECT t.grade, count(*) FROM c JOIN gov.tax t ON t.uscc = c.who GROUP BY 1",
            [("s2", "uscc")],
        ),
        (
            "SELECT r.section, count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.id_no "
            "JOIN gov.registry r ON r.uscc = l.id_no GROUP BY 1",
            [("s2", "uscc"), ("s3", "uscc")],
        ),
        ("SELECT count(*) FROM loan l JOIN card c ON c.id_no = l.id_no", []),
        ("SELECT count(l.id_no), count(*) FILTER (WHERE l.id_no IS NULL) FROM loan l", []),
    ],
)
def test_tokens_are_joined_and_counted(sql: str, published: list[tuple[str, str]]) -> None:
    uses = {(use.column, use.published) for use in made_of(sql).tokens}
    assert uses == {("id_no", tuple(published))}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id_no FROM loan",
        "SELECT * FROM loan",
        "SELECT DISTINCT id_no FROM loan",
        "SELECT id_no, count(*) FROM loan GROUP BY 1",
        "SELECT x FROM (SELECT id_no AS x FROM loan)",
        "SELECT upper(id_no) FROM loan",
        "SELECT min(id_no) FROM loan",
        "SELECT count(upper(id_no)) FROM loan",
        "SELECT count(*) FROM loan WHERE id_no LIKE '9%'",
        "SELECT count(*) FROM loan WHERE id_no = 'token:00'",
        "SELECT count(*) FROM loan WHERE id_no IN ('a', 'b')",
        "SELECT count(*) FROM loan WHERE id_no < 'b'",
        "SELECT count(*) FROM loan WHERE NOT (id_no = branch)",
        "SELECT count(*) FROM loan WHERE id_no = branch",
        "SELECT count(*) FROM loan WHERE length(id_no) = 38",
        "SELECT count(*) FILTER (WHERE id_no > 'a') FROM loan",
        "SELECT branch FROM loan ORDER BY id_no",
        "SELECT branch, row_number() OVER (ORDER BY id_no) FROM loan",
        "SELECT branch, rank() OVER (PARTITION BY id_no ORDER BY branch) FROM loan",
        "SELECT count(DISTINCT id_no) FROM (SELECT id_no FROM loan UNION ALL SELECT branch FROM loan) x",
        "SELECT count(*) FROM loan GROUP BY substr(id_no, 1, 2)",
        "SELECT CASE WHEN id_no IS NULL THEN 1 ELSE 0 END FROM loan",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.name = l.id_no",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON upper(t.uscc) = l.id_no",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.uscc = upper(l.id_no)",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.uscc = l.person",
        "SELECT count(*) FROM loan l JOIN gov.tax t ON t.name = l.branch WHERE t.uscc = l.id_no OR t.grade = 'A'",
        "SELECT count(*) FROM loan l JOIN card c ON c.id_no = l.old_id",
        "SELECT count(*) FROM loan l JOIN loan m ON l.person = m.id_no",
    ],
)
def test_tokens_are_used_for_nothing_else(sql: str) -> None:
    with pytest.raises(Refused) as caught:
        made_of(sql)
    assert caught.value.code == "LVR-5326"
    assert caught.value.line == 1


# Which keys and tables there are.


def test_a_table_of_tokens_is_made_once_logged_and_believed_while_it_is_the_one(here: House) -> None:
    publish(here, "graded", GRADED)
    _, key = uploaded(here)
    made = planned(key)
    for _ in range(3):
        here.tables.ready(made, "bank_a")
    assert [job.column for job in here.built] == ["uscc"]
    (entry,) = here.entries("token_table")
    assert (entry["institution"], entry["snapshot"], entry["key"]) == ("bank_a", "graded", key)
    (path,) = here.tables.paths(made.tokens[0], made.sources, "bank_a")
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE main.data SET id = 'X'")
    with pytest.raises(Refused, match="LVR-5327"):
        here.tables.ready(made, "bank_a")
    assert len(here.incidents) == 1


def test_a_new_data_version_takes_over_the_tokens_that_are_there(
    here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(here, "graded", GRADED)
    publish(here, "later", [*GRADED[1:], {"uscc": "91370200MA0000006X", "grade": "B"}])
    _, key = uploaded(here)
    first, later = planned(key), planned(key, "later")
    here.tables.ready(first, "bank_a")
    made: list[bytes] = []
    tokens = Key.tokens

    def counting(self: Key, values: Sequence[bytes]) -> Iterator[bytes]:
        made.extend(values)
        return tokens(self, values)

    monkeypatch.setattr(Key, "tokens", counting)
    here.tables.ready(later, "bank_a")
    assert made == [value_of("91370200MA0000006X")]
    assert len(here.built[1].former) == 1
    (path,) = here.tables.paths(later.tokens[0], later.sources, "bank_a")
    monkeypatch.undo()
    with duckdb.connect(str(path), read_only=True) as connection:
        rows = dict(connection.execute("SELECT id, token FROM main.data").fetchall())
    own = Key((here.settings.matching / matcher.JOIN_FILE).read_bytes(), JOIN_USE, "bank_a", "uscc")
    ids = [f"91370200MA{n:07d}X" for n in (1, 2, 3, 4, 6)]
    assert rows == {id_: own.token(value_of(id_))[:TOKEN_BYTES] for id_ in ids}
    # Another bank's tables are of no use.
    other = planned(here.keys.current("bank_b", "uscc"))
    here.tables.ready(other, "bank_b")
    assert here.built[2].former == ()


def test_what_cannot_be_made_refuses_and_charges_nothing(here: House) -> None:
    _, key = uploaded(here)
    before = len(here.entries())
    with pytest.raises(Refused, match="LVR-5327"):
        here.tables.ready(planned(key), "bank_a")  # there is no such snapshot
    assert len(here.entries()) == before


def test_tokens_of_a_replaced_key_are_refused_and_uploaded_again(here: House) -> None:
    publish(here, "graded", GRADED)
    loans, key = uploaded(here)
    here.tables.ready(planned(key), "bank_a")
    assert len(list((here.settings.snapshots / "tokens").iterdir())) == 1
    lists = (here.settings.matching / matcher.KEY_FILE).read_bytes()
    here.settings.secrets.mkdir()
    (here.settings.secrets / "log.seed").write_bytes(hashlib.sha256(b"the log's key, for tests only").digest())
    rotate(here.settings, "a drill", TOOLS, tokens=True)
    assert (here.settings.matching / matcher.KEY_FILE).read_bytes() == lists
    assert list((here.settings.snapshots / "tokens").iterdir()) == []
    with pytest.raises(Refused, match="LVR-5325"):
        here.tables.ready(planned(key), "bank_a")
    assert here.keys.current("bank_a", "uscc") != key
    again, fresh = uploaded(here)
    assert fresh == here.keys.current("bank_a", "uscc")
    assert again != loans
    here.tables.ready(planned(fresh), "bank_a")
    # A key of another bank, or of another element, is no key of this column either.
    for wrong in (here.keys.current("bank_b", "uscc"), here.keys.current("bank_a", "subject_code")):
        with pytest.raises(Refused, match="LVR-5325"):
            here.tables.ready(planned(wrong), "bank_a")


def test_without_a_key_nothing_is_made(here: House) -> None:
    (here.settings.matching / matcher.JOIN_FILE).unlink()
    for doing in (lambda: here.evaluate("uscc", [b"a"]), lambda: here.keys.current("bank_a", "uscc")):
        with pytest.raises(Refused, match="LVR-5320"):
            doing()


# Who may have them.


def test_an_evaluation_is_charged_and_logged_before_it_is_made(here: House) -> None:
    values = [value_of(f"A{n}") for n in range(30)]
    here.evaluate("uscc", values)
    (admission,), (outcome,) = here.entries("admission"), here.entries("outcome")
    assert [(item["dataset"], item["kind"], item["amount"]) for item in admission["charges"]] == [
        ("tokens.uscc", "token_ids", 30)
    ]
    assert outcome["admission"] == admission["index"]
    assert here.pool.asked.index(matcher.EVALUATE) == len(here.pool.asked) - 1
    assert [str(found) for found in verify_log(here.books.state, KEY).findings] == []
    assert list(recount.differences(here.books.state)) == []


def test_a_retry_is_free_and_another_batch_under_its_id_refused(here: House) -> None:
    blinded = oprf.blind([b"a", b"b"])
    asked_ = here.asked(blinded.elements, 2, "uscc")
    first, again = here.answer(asked_, blinded.elements), here.answer(asked_, blinded.elements)
    assert (first.paid.cost, again.paid.cost) == ({"tokens.uscc token_ids": 2}, {})
    assert len(here.entries("outcome")) == 1
    assert Receipt.from_bytes(again.receipt).verify(KEY).entry["ids"] == 2
    other = oprf.blind([b"c", b"d"])
    with pytest.raises(Refused, match="LVR-0106"):
        here.answer(here.asked(other.elements, 2, "uscc", request_id=asked_.id), other.elements)


def test_whoever_enumerates_ids_is_stopped_by_the_day_and_by_the_month(here: House) -> None:
    values = [value_of(f"A{n}") for n in range(400)]
    for _ in range(2):
        here.evaluate("uscc", values)
    with pytest.raises(Refused, match="LVR-3001"):
        here.evaluate("uscc", values)
    here.evaluate("uscc", values, BANK_B)  # another bank has its own
    for _ in range(2):
        here.clock.now += timedelta(days=1)
        with contextlib.suppress(Refused):
            for _ in range(3):
                here.evaluate("uscc", values)
    spent = sum(entry["ids"] for entry in here.entries("admission") if entry["institution"] == "bank_a")
    assert spent == 2000
    assert here.entries("refusal")


@pytest.mark.parametrize(
    ("element", "who", "code"),
    [
        ("citizen_number", BANK_A, "LVR-5321"),
        ("subject_code", BANK_A, "LVR-5321"),
        ("no_such", BANK_A, "LVR-5321"),
        ("uscc", STRANGER, "LVR-5321"),
        ("uscc", AGENCY_C, "LVR-5321"),
    ],
)
def test_what_is_not_granted_is_denied(here: House, element: str, who: Subject, code: str) -> None:
    with pytest.raises(Refused, match=code):
        here.evaluate(element, [b"a"], who)
    (entry,) = here.entries()
    assert (entry["kind"], entry["code"]) == ("refusal", code)
    assert here.pool.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": None},
        {"columns": {"uscc": ["filter"], "grade": ["join_key"]}},
        {"valid": {"from": "2020-01-01", "until": "2020-12-31"}},
        {"to": {"institutions": ["bank_b"]}},
    ],
)
def test_a_grant_without_terms_without_the_right_or_out_of_time_gives_no_tokens(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    bundle = bundle_of(policy(grant_document(**(TERMS | changes))))
    with house(tmp_path, bundle) as made, pytest.raises(Refused, match="LVR-5321"):
        made.evaluate("uscc", [b"a"])


def test_a_denied_column_gives_no_tokens_and_of_several_terms_the_smallest_hold(tmp_path: Path) -> None:
    deny = {"id": "no", "to": {"groups": ["banks"]}, "table": "gov.tax_credit", "columns": ["uscc"], "reason": "r"}
    few = grant_document("few", **(TERMS | {"tokens": {"ids_per_day": 5, "ids_per_month": 5}}))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    bundle = bundle_of(policy(grant_document(**TERMS), denies=(deny,)))
    with house(tmp_path / "a", bundle) as made, pytest.raises(Refused, match="LVR-5321"):
        made.evaluate("uscc", [b"a"])
    with house(tmp_path / "b", bundle_of(policy(grant_document(**TERMS), few))) as made:
        with pytest.raises(Refused, match="LVR-3001"):
            made.evaluate("uscc", [value_of(f"A{n}") for n in range(6)])
        made.evaluate("uscc", [value_of(f"A{n}") for n in range(5)])


def test_terms_need_a_column_to_join_by() -> None:
    with pytest.raises(ValueError, match="join_key"):
        policy(grant_document(columns={"grade": ["group_key"]}, tokens={"ids_per_day": 5, "ids_per_month": 5}))


@pytest.mark.parametrize("content", [bytes(64), b"\xff" * 64, bytes(63)])
def test_what_is_no_blinded_id_is_refused_before_anything_is_charged(here: House, content: bytes) -> None:
    with pytest.raises(Refused, match="LVR-5322"):
        here.answer(here.asked(content, 2, "uscc"), content)
    assert [entry["kind"] for entry in here.entries()] == ["refusal"]


def test_lint_finds_terms_that_give_nobody_tokens() -> None:
    table_ = city_catalog().table(TableName("gov", "tax_credit"))
    assert table_ is not None
    terms = {"ids_per_day": 5, "ids_per_month": 5}
    (found,) = idle_tokens(grant(columns={"rating_year": ["join_key"]}, tokens=terms), table_)
    assert (found.where, found.code) == (("tokens",), "idle-terms")
    assert list(idle_tokens(grant(columns={"uscc": ["join_key"]}, tokens=terms), table_)) == []
    assert list(idle_tokens(grant(columns={"rating_year": ["join_key"]}), table_)) == []
