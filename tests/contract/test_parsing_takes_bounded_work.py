"""What passes the gate is parsed in work proportional to its length, however it is nested.

The parser reads some parts twice, and doubles the work with each that stands inside another: 40 JOIN words without ON
would take years. Steps are counted, not seconds, in the plain build; both builds are the same parser.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import sqlglot
from tests.unit.sandbox.test_sql_world import request

from louver.errors import Refused
from louver_sandbox.sql.parse import parse

ROOT = Path(__file__).parents[2]
MOST_STEPS_FOR_A_TOKEN = 64
PATIENCE_S = 400


def test_what_passes_the_gate_is_parsed_in_bounded_work(tmp_path: Path) -> None:
    only_python = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
    shutil.copytree(Path(sqlglot.__file__).parent, tmp_path / "sqlglot", ignore=only_python)
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.parser_work"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]), "PYTHONHASHSEED": "0"},
        capture_output=True,
        check=True,
        timeout=PATIENCE_S,
    )
    found = json.loads(done.stdout)
    assert len(found) > 1_000
    assert sum(steps for _, _, steps in found) > 50_000, "nothing was counted"
    assert [text for text, tokens, steps in found if steps > MOST_STEPS_FOR_A_TOKEN * tokens] == []


NEVER_ENDING = {
    "joins without ON": ("select 1 from a" + " join b" * 30, "LVR-1006"),
    "joins of a table called natural": ("select 1 from a" + " join natural join" * 15 + " b", "LVR-1006"),
    "types that might be functions": ("select " + "date (" * 30 + "1" + ")" * 30 + " from a", "LVR-1002"),
    "types in a quoted name": ('select cast(1 as "' + "int(" * 20 + "1" + ")" * 20 + '") from a', "LVR-1002"),
    "LIMIT that might be a name": ("select 1 from a " + "limit (select 1 from a " * 20 + ")" * 20, "LVR-1002"),
    "OFFSET that might be a name": ("select 1 from a " + "offset 1+(select 1 from a " * 20 + ")" * 20, "LVR-1002"),
    "IF that might be a statement": ("select 1" + " + if" * 40 + " from a", "LVR-1002"),
}


@pytest.mark.parametrize("name", NEVER_ENDING)
def test_what_a_parser_would_read_again_and_again_is_refused_before_it(name: str) -> None:
    sql, code = NEVER_ENDING[name]
    with pytest.raises(Refused) as caught:
        parse(request(sql))
    assert caught.value.code == code
    assert caught.value.line == 1


def test_ordinary_joins_types_and_limits_are_not_mistaken_for_it() -> None:
    joined = "".join(f" join b b{n} on a.x = b{n}.x" for n in range(20))
    crossed = "".join(f" cross join b c{n}" for n in range(20))
    shared = " join b d join b e on d.x = e.x on a.x = d.x"
    casts = ", ".join(f"cast(x + {n} as decimal(10, 2)) as d{n}, date(x) as e{n}" for n in range(20))
    sql = f'select {casts}, "收入(万元)" from a{joined}{crossed}{shared} limit 10 offset 5'
    assert parse(request(sql)).tree is not None
