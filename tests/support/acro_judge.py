"""Runs under acro's own interpreter, without anything of Louver: which checks does each cell of these tables fail?

In: `[{"file", "aggregate", "threshold", "share", "ratio"}, ...]` as JSON; the file is a CSV of (cell, value) with
one line per unit and cell. Out, for each table: the names of the checks that each cell fails.
"""

import json
import logging
import sys
from typing import Any

import pandas
from acro import ACRO


def judged(table: dict[str, Any]) -> dict[str, list[str]]:
    """The table's cells, and the checks that acro says they fail."""
    session = ACRO()
    session.config.update(
        safe_threshold=table["threshold"],
        safe_nk_n=1,
        safe_nk_k=table["share"],
        safe_pratio_p=table["ratio"],
        zeros_are_disclosive=False,
    )
    types = {"cell": str, "value": float}
    frame = pandas.read_csv(table["file"], dtype=types, keep_default_na=False, na_values={"value": [""]})
    across = pandas.Series("all", frame.index, name="all")
    measured = {"values": frame["value"], "aggfunc": table["aggregate"]} if table["aggregate"] else {}
    session.crosstab(frame["cell"], across, **measured)
    outcome = session.results.get_index(-1).outcome["all"]
    return {cell: checks.replace(";", " ").split() for cell, checks in outcome.items()}


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    json.dump([judged(table) for table in json.load(sys.stdin)], sys.stdout)
