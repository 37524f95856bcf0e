"""Triggers that keep the rows of a table as they are, in the words of each kind of database."""

from alembic import op

_FUNCTION = """CREATE OR REPLACE FUNCTION louver_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'append-only' USING ERRCODE = 'restrict_violation'; END $$"""


def forbid(table: str, verb: str) -> None:
    """A trigger that aborts ``verb`` (UPDATE or DELETE) on ``table``.

    SQLite's REPLACE counts as a DELETE (recursive_triggers). PostgreSQL's TRUNCATE is forbidden with DELETE.
    """
    name = f"{table}_no_{verb.lower()}"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"CREATE TRIGGER {name} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, 'append-only'); END")
        return
    op.execute(_FUNCTION)
    verbs = f"{verb} OR TRUNCATE" if verb == "DELETE" else verb
    op.execute(
        f"CREATE TRIGGER {name} BEFORE {verbs} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION louver_append_only()"
    )


def permit(table: str, condition: str) -> None:
    """In place of the trigger that `forbid` made of UPDATE, one that lets a row pass of which ``condition`` holds.

    The condition is an expression over OLD and NEW in SQL that both databases read.
    """
    name = f"{table}_no_update"
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {name}")
        op.execute(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} WHEN NOT ({condition}) "
            "BEGIN SELECT RAISE(ABORT, 'append-only'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION louver_{name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NOT ({condition}) THEN RAISE EXCEPTION 'append-only' USING ERRCODE = 'restrict_violation'; END IF; "
        "RETURN NEW; END $$"
    )
    op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION louver_{name}()")
