"""TPC-H as a government's data: customers and suppliers are the privacy units, and a bank asks the 22 queries.

The data come from `tpchgen-cli`. The bank is called like the schema, so the one-part names of the query texts find
the tables. A second bank has the same rows as tables of its own: its answers are without protection.
"""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import duckdb
from tests.support.tpc import FOLDER, Judge, bundle_of, platform_document, policy_document, read_yaml, subject

from louver_sandbox.catalog.load import load_catalog
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import Tools, activate, add_institution, create, development_keys
from louver_sandbox.operator.publishing import check, publish_all
from louver_sandbox.premises import utc_now
from louver_sandbox.stages import InstitutionType

TABLES = ("customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier")
BANK = "tpch"
"""The bank that asks about the government's tables."""
OWNER = "owner"
"""The bank that has uploaded the same rows."""
CATALOG = FOLDER / "tpch" / "catalog.yaml"
RIGHTS = FOLDER / "tpch" / "rights.yaml"
ORIGIN = "louver.dev/tpch"
NAME = "q{:02}.sql"
REFUSED: Mapping[int, str] = {
    2: "LVR-2101",
    3: "LVR-2001",
    10: "LVR-2001",
    15: "LVR-2101",
    18: "LVR-2001",
    20: "LVR-2101",
    21: "LVR-2106",
}
"""The queries about individuals, with the codes: names of suppliers, and one row an order or a customer."""


@cache
def queries() -> Mapping[int, str]:
    """The texts of the specification with its validation parameters, by number."""
    return {number: (FOLDER / "queries" / NAME.format(number)).read_text(encoding="utf-8") for number in range(1, 23)}


def generate(folder: Path, scale: float) -> Path:
    """The eight tables as Parquet files in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = Path(sys.executable).with_name("tpchgen-cli")
    command = [str(generator), "parquet", "--scale-factor", str(scale), "--output-dir", str(folder)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


def judge_of(data: Path) -> Judge:
    """Verdicts on questions of the bank; the data need not be there."""
    catalog = load_catalog([CATALOG], data)
    return Judge(catalog, bundle_of(catalog, read_yaml(RIGHTS)), subject(BANK))


def install(home: Path, data: Path, limits: Mapping[str, int] | None = None) -> City:
    """A complete installation over the generated files, its snapshots published."""
    tools = Tools(utc_now, secrets.token_bytes)
    settings = create(home, ORIGIN, "127.0.0.1", 0, tools)
    for table in TABLES:
        shutil.copyfile(data / f"{table}.parquet", settings.data / f"{table}.parquet")
    shutil.copyfile(CATALOG, settings.catalog / CATALOG.name)
    catalog, problems = check([settings.catalog], settings.data)
    if problems:
        raise ValueError("\n".join(map(str, problems)))
    for document in (platform_document(), policy_document(catalog, read_yaml(RIGHTS))):
        path = home / "policies" / f"{document['id']}.yaml"
        path.write_text(json.dumps(document), encoding="utf-8")
    for name in (BANK, OWNER):
        add_institution(settings, name, InstitutionType.BANK, ["banks"], "", tools)
    activate(settings, [home / "policies"], development_keys(settings))
    with (home / "louver.toml").open("a", encoding="utf-8") as file:
        file.writelines(f"{name} = {value}\n" for name, value in (limits or {}).items())
    list(publish_all(settings, tools))
    return City(settings, settings.data)


def plain(data: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB over the same files, with nothing in between."""
    connection = duckdb.connect()
    for table in TABLES:
        connection.execute(f"CREATE VIEW {table} AS FROM '{data / table}.parquet'")
    return connection
