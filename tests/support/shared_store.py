"""One of several processes on one state store: its clients charge one account and log it, all at once.

Run as a module: the store's URL, the number of this process, how many clients it has, how often each asks. It waits
for a line on its input, so that all begin together, and prints what each question came to.
"""

from __future__ import annotations

import secrets
import sys
import threading
from datetime import datetime

from sqlalchemy import Connection
from tests.support.audit_logs import open_log

from louver_sandbox.accounting import ledger
from louver_sandbox.accounting.ledger import Charge, Exhausted, Limit, Period
from louver_sandbox.audit import AuditLog, Entry
from louver_sandbox.store import State, StoreBusy

NOON = datetime(2026, 7, 1, 12, tzinfo=ledger.SHANGHAI)
LIMIT = 100
CHARGE = Charge("bank-a", "gov.tax", "risk")
DAILY = Limit("gov.tax", ledger.QUERIES, Period.DAY, LIMIT)
WAIT_S = 120.0


def ask(log: AuditLog, request: str) -> str:
    """Charges a question and logs it, in one transaction with the receipt that proves it."""

    def write(tx: Connection) -> Entry:
        left = ledger.charge(tx, [CHARGE], [DAILY], NOON, request_id=request)[0].remaining
        return log.append(tx, {"kind": "admission", "request_id": request, "institution": "bank-a", "left": left})

    while True:
        try:
            receipt = log.attested(write)
        except Exhausted:
            return "spent"
        except StoreBusy:
            continue
        return f"paid {receipt.verify(log.key).index}"


def main(url: str, process: int, clients: int, each: int) -> None:
    """Asks with all clients at once."""
    with State.open(url, busy_timeout_s=WAIT_S) as state:
        log = open_log(state, randomness=secrets.token_bytes)
        found: list[str] = []

        def client(number: int) -> None:
            found.extend(ask(log, f"request-{process}-{number}-{turn}") for turn in range(each))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
        print("ready", flush=True)
        sys.stdin.readline()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    print("\n".join(found))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
