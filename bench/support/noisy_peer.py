"""Runs under a peer's own interpreter, without anything of Louver: answers of SmartNoise SQL or Qrlew, repeatedly.

Started with the peer's name, a Parquet file turned into CSV, and as JSON the bounds of columns and the questions with
epsilon, delta and the number of runs. Says one line of JSON for each question: the answers, each a list of rows, and
what the peer says that an answer cost.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pandas

SEXES = ["Female", "Male"]


def smartnoise(frame: pandas.DataFrame, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Epsilon is by column there, so each column gets the share that makes the whole question cost epsilon."""
    from snsql import Privacy, from_connection

    numbers = {name: {"type": "int", "lower": low, "upper": high} for name, (low, high) in asked["bounds"].items()}
    table = {
        "row_privacy": False,
        "max_ids": 1,
        "rows": len(frame),
        "censor_dims": False,
        "row_id": {"type": "int", "private_id": True},
        "sex": {"type": "string"},
        **numbers,
    }
    for one in asked["questions"]:

        def reader(epsilon: float, delta: float = one["delta"]) -> Any:
            return from_connection(
                frame, privacy=Privacy(epsilon=epsilon, delta=delta), metadata={"": {"gov": {"census": table}}}
            )

        whole, _ = reader(one["epsilon"]).get_privacy_cost(one["sql"])
        given = reader(one["epsilon"] ** 2 / whole)
        rows = [given.execute(one["sql"])[1:] for _ in range(asked["runs"])]
        yield {"answers": rows, "cost": str(given.get_privacy_cost(one["sql"]))}


def qrlew(frame: pandas.DataFrame, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """It knows sizes and types from an SQLAlchemy database, and its SQL runs in DuckDB."""
    import duckdb
    import pyqrlew
    from sqlalchemy import create_engine

    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        frame.to_sql("census", connection, index=False)
    data = pyqrlew.Dataset.from_database("ds", engine, None)
    for name, (low, high) in asked["bounds"].items():
        data = data.with_range(None, "census", name, low, high)
    data = data.with_possible_values(None, "census", "sex", SEXES).with_constraint(
        None, "census", "row_id", "_UNIQUE_"
    )
    dialect = pyqrlew.Dialect.PostgreSql
    with duckdb.connect(config={"threads": 1}) as plain:
        plain.register("frame", frame)
        plain.execute("CREATE TABLE census AS FROM frame")
        for one in asked["questions"]:
            found = data.relation(
                one["sql"].replace("gov.census", "census"), dialect
            ).rewrite_with_differential_privacy(
                data, [("census", [], "row_id")], {"epsilon": one["epsilon"], "delta": one["delta"]}
            )
            text = found.relation().to_query(dialect)
            rows = [plain.execute(text).fetchall() for _ in range(asked["runs"])]
            yield {"answers": rows, "cost": str(found.dp_event())}


def main(peer: str, file: str, asked: str) -> None:
    wanted = json.loads(asked)
    frame = pandas.read_csv(file)
    for said in (smartnoise if peer == "smartnoise-sql" else qrlew)(frame, wanted):
        print(json.dumps(said, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
