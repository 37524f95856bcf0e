"""TPC-DS as a government's data: customers are the persons, and a bank asks the 99 queries that a package ships.

The texts are read from the files of the distribution `databricks-tpcds` as they are; nothing of it is imported. Of the
four templates that are two statements (14, 23, 24, 39) each statement is asked by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import distribution
from pathlib import Path

from tests.support.tpc import FOLDER, Judge, bundle_of, read_yaml, subject

from louver_sandbox.catalog.load import load_catalog

PACKAGE = "databricks-tpcds"
DIALECT = "spark"
TEMPLATES = 99
TWO_STATEMENTS = (14, 23, 24, 39)
CATALOG = FOLDER / "tpcds" / "catalog.yaml"
RIGHTS = FOLDER / "tpcds" / "rights.yaml"
VERDICTS = FOLDER / "tpcds" / "verdicts.yaml"
NO_DATA = Path("no-data-is-read-here")


@cache
def queries() -> Mapping[str, str]:
    """The texts by template, `14a` and `14b` for the statements of a template with two."""
    found: dict[str, str] = {}
    for template in range(1, TEMPLATES + 1):
        parts = ("a", "b") if template in TWO_STATEMENTS else ("",)
        for part in parts:
            file = Path(str(distribution(PACKAGE).locate_file(f"resources/queries/q{template}{part}.sql")))
            found[f"{template}{part}"] = file.read_text(encoding="utf-8")
    return found


@cache
def judge() -> Judge:
    """Verdicts on questions of the bank, without data."""
    catalog = load_catalog([CATALOG], NO_DATA)
    return Judge(catalog, bundle_of(catalog, read_yaml(RIGHTS)), subject("tpcds"), DIALECT)


def summary(verdicts: Mapping[str, str]) -> str:
    """How many templates are answered (both statements, where there are two), and the others by code, as a table."""
    by_template: dict[int, list[str]] = {}
    for name, verdict in verdicts.items():
        by_template.setdefault(int(name.rstrip("ab")), []).append(verdict)
    refused: dict[str, list[int]] = {}
    for template, found in by_template.items():
        for code in sorted(set(found) - {"answered"})[:1]:
            refused.setdefault(code, []).append(template)
    answered = TEMPLATES - sum(map(len, refused.values()))
    lines = [
        f"**{answered} of the {TEMPLATES} templates are answered.**",
        "",
        "| refused by | templates |",
        "|---|---|",
    ]
    lines += [f"| {code} | {', '.join(map(str, templates))} |" for code, templates in sorted(refused.items())]
    return "\n".join(lines)


def write_verdicts() -> None:
    """Puts today's verdicts into `VERDICTS`, to be looked through before they are kept."""
    lines = [f"'{name}': {judge().verdict(sql)}\n" for name, sql in queries().items()]
    head = (
        "# What the checker says to each text of TPC-DS: `python -m tests.support.tpcds` writes it, people read it.\n"
    )
    VERDICTS.write_text(head + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    write_verdicts()
    print(summary(read_yaml(VERDICTS)))
