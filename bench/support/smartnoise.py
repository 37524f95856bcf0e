"""Runs under SmartNoise's own interpreter, without anything of Louver: answers SQL over one table, and says how
long it took.

Started with a CSV file and, as JSON, SmartNoise's own description of the table. Says `{"loaded_s"}` once, then for
each line `{"sql"}` one `{"seconds", "rows"}`: the time of `execute`, which parses, rewrites, runs in the engine
that the package brings (SQLite in memory) and adds noise. Importing it and loading the table are not in it.
"""

import json
import sys
import time

import pandas
from snsql import Privacy, from_connection

EPSILON = 100.0
"""Large, as it refuses to draw noise of the size that bounds of twenty million yuan need; the time is the same."""


def main(file: str, description: str) -> None:
    begin = time.perf_counter()
    metadata = json.loads(description)
    reader = from_connection(
        pandas.read_csv(file), privacy=Privacy(epsilon=EPSILON, delta=1e-6), metadata=metadata, engine="pandas"
    )
    print(json.dumps({"loaded_s": time.perf_counter() - begin}), flush=True)
    for line in sys.stdin:
        begin = time.perf_counter()
        _, *rows = reader.execute(json.loads(line)["sql"])
        print(json.dumps({"seconds": time.perf_counter() - begin, "rows": rows}, default=str), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
