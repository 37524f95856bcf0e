"""Which keys of tokens there are, and which tables workers read tokens by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import duckdb
import pytest
from tests.support.tokenised import (
    GRADED,
    planned,
    uploaded,
)
from tests.support.tokens import House, house, publish

from louver.errors import Refused
from louver.matching.subjects import value_of
from louver.tokens.columns import TOKEN_BYTES
from louver_sandbox.annals import tables_of_tokens
from louver_sandbox.matching import process as matcher
from louver_sandbox.matching.oprf import JOIN_USE, Key
from louver_sandbox.matching.token_ahead import Holding, Upkeep
from louver_sandbox.operator.installation import TOOLS
from louver_sandbox.operator.matching import rotate
from louver_sandbox.publishing.record_keys import create_key


@pytest.fixture
def here(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


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
    assert len(list((here.settings.snapshots / "tokens").glob("*.duckdb"))) == 1
    lists = (here.settings.matching / matcher.KEY_FILE).read_bytes()
    here.settings.secrets.mkdir()
    (here.settings.secrets / "log.seed").write_bytes(hashlib.sha256(b"the log's key, for tests only").digest())
    rotate(here.settings, "a drill", TOOLS, tokens=True)
    assert (here.settings.matching / matcher.KEY_FILE).read_bytes() == lists
    assert list((here.settings.snapshots / "tokens").glob("*.duckdb")) == []
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


def upkeep(here: House, *snapshots: str) -> Upkeep:
    """The upkeep of a house whose one table is published as these snapshots."""
    return Upkeep(
        here.tables,
        here.keys,
        partial(tables_of_tokens, here.books),
        lambda: {"graded": "gov.tax_credit", "later": "gov.tax_credit", "other": "gov.other"},
        lambda: {"gov.tax_credit": [Holding(name, frozenset({"uscc", "grade"})) for name in snapshots]},
    )


def files(here: House) -> set[str]:
    return {path.stem for path in (here.settings.snapshots / "tokens").glob("*.duckdb")}


def test_a_new_data_version_has_its_table_before_anybody_asks(here: House) -> None:
    """And only for who has joined that column before, under the present key; what is there is made once."""
    publish(here, "graded", GRADED)
    publish(here, "later", GRADED[1:])
    _, key = uploaded(here)
    assert not upkeep(here, "later").make_next(), "nobody has asked for anything yet"
    here.tables.ready(planned(key), "bank_a")
    keeper = upkeep(here, "later")
    assert keeper.make_next()
    assert not keeper.make_next()
    assert [job.snapshot.endswith("later.duckdb") for job in here.built] == [False, True]
    here.tables.ready(planned(key, "later"), "bank_a")
    assert len(here.built) == 2, "the question found it made"
    assert [entry["snapshot"] for entry in here.entries("token_table")] == ["graded", "later"]
    assert here.incidents == []


def test_tables_that_no_question_reads_go_once_their_successors_are_there(here: House) -> None:
    publish(here, "graded", GRADED)
    publish(here, "later", GRADED[1:])
    _, key = uploaded(here)
    here.tables.ready(planned(key), "bank_a")
    (old,) = files(here)
    keeper = upkeep(here, "later")
    assert keeper.sweep() == (), "what its successor takes tokens from stays"
    assert keeper.make_next()
    assert keeper.sweep() == (old,)
    assert keeper.sweep() == ()
    (new,) = files(here)
    assert new != old
    here.tables.ready(planned(key, "later"), "bank_a")
    assert upkeep(here, "graded", "later").sweep() == (), "what is published is kept"
    assert upkeep(here).sweep() == (new,), "a table that is published no more has none"


def test_tables_of_a_former_key_go_and_none_is_made_under_it(here: House) -> None:
    publish(here, "graded", GRADED)
    publish(here, "later", GRADED[1:])
    _, key = uploaded(here)
    here.tables.ready(planned(key), "bank_a")
    path = here.settings.matching / matcher.JOIN_FILE
    path.unlink()
    create_key(path, randomness=lambda size: bytes(range(50, 50 + size)))
    keeper = upkeep(here, "graded", "later")
    assert not keeper.make_next()
    assert len(keeper.sweep()) == 1
    assert files(here) == set()


def test_a_table_that_cannot_be_made_ahead_is_tried_once(here: House) -> None:
    publish(here, "graded", GRADED)
    _, key = uploaded(here)
    here.tables.ready(planned(key), "bank_a")
    keeper = upkeep(here, "later")  # of which there is no file
    assert keeper.make_next()
    assert not keeper.make_next()
    assert len(here.incidents) == 1
