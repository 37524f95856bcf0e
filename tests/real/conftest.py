"""An installation over the real data folders, and its service."""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from tests.support.installation import service

import louver
from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import (
    Tools,
    activate,
    add_institution,
    copy_declarations,
    create,
    development_keys,
)
from louver_sandbox.operator.publishing import check, publish_all
from louver_sandbox.premises import utc_now
from louver_sandbox.stages import InstitutionType

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("LOUVER_REAL_DATA", ROOT.parent / "shared" / "data"))
DECLARATIONS = Path(__file__).parent / "declarations"
FILES = {
    "census_person": "census_kdd/census_income_kdd.parquet",
    "sba_loan": "sba_loans/sba_loans.parquet",
    "food_fine": "montreal_food_fines/food_inspection_fines.parquet",
    "company_accounts": "polish_bankruptcy/polish_bankruptcy_y1_y5.parquet",
    "cards": "tw_credit_default/credit_card_default_tw.parquet",
}


@dataclass(frozen=True)
class Real:
    """A bank's connection to the service over real data, and plain DuckDB over the same files."""

    bank: louver.Client
    plain: duckdb.DuckDBPyConnection
    city: City

    def truth(self, sql: str) -> list[tuple[object, ...]]:
        """The answer with nothing in between."""
        return self.plain.execute(sql).fetchall()


def link_data(folder: Path) -> None:
    """The sources as three kinds: Parquet as it is, one table in a DuckDB database, one CSV."""
    for name in ("census_kdd", "sba_loans"):
        shutil.copytree(DATA / name, folder / name)
    with duckdb.connect(str(folder / "fines.duckdb")) as connection:
        connection.execute(f"CREATE TABLE fines AS FROM '{DATA / FILES['food_fine']}'")
    with duckdb.connect() as connection:
        columns = "row_id, horizon_file_year, a01, a29, bankrupt"
        source, target = DATA / FILES["company_accounts"], folder / "accounts.csv"
        connection.execute(f"COPY (SELECT {columns} FROM '{source}') TO '{target}' (HEADER)")


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    if not DATA.exists():
        pytest.skip(f"the real data folders are not here ({DATA.name}); set LOUVER_REAL_DATA to where they are")
    home = tmp_path_factory.mktemp("real") / "home"
    tools = Tools(utc_now, secrets.token_bytes)
    settings = create(home, "louver.dev/real", "127.0.0.1", 0, tools)
    link_data(settings.data)
    copy_declarations(DECLARATIONS / "catalog", settings.catalog)
    copy_declarations(DECLARATIONS / "policies", home / "policies")
    _, problems = check([settings.catalog], settings.data)
    assert not problems, "\n".join(map(str, problems))
    add_institution(settings, "bank_a", InstitutionType.BANK, ["banks"], "", tools)
    activate(settings, [home / "policies"], development_keys(settings))
    assert len(list(publish_all(settings, tools))) == 4
    with service(City(settings, settings.data)) as running, running.connect(purpose="RESEARCH") as bank:
        bank.upload("cards", DATA / FILES["cards"])
        bank.upload("guaranteed", DATA / FILES["sba_loan"])
        with duckdb.connect() as plain:
            plain.execute("CREATE SCHEMA gov; CREATE SCHEMA bank_a")
            for name, file in FILES.items():
                schema = "bank_a" if name == "cards" else "gov"
                plain.execute(f"CREATE VIEW {schema}.{name} AS FROM '{DATA / file}'")
            plain.execute(f"CREATE VIEW bank_a.guaranteed AS FROM '{DATA / FILES['sba_loan']}'")
            plain.execute("SET search_path = 'bank_a'")
            yield Real(bank, plain, running.city)
