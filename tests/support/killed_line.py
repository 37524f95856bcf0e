"""kill -9 at every step of the line: a child of its own for each, that ends itself at one call of many.

A first child that is not killed counts the calls that the line makes of the platform's own functions, from the question
to the receipt. The others are killed at calls spread evenly over them, so that with enough kills every function on the
way is one that a question was killed in. `LOUVER_KILL_SHIFT`, from 0 to 1, moves all of them by that part of the way to
the next, so that many short runs try other calls than one another. Run as a module: where the state store is, the number of kills,
how answers are sealed.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import FrameType

from tests.support.line import ask, call
from tests.support.private_line import PrivateLine, private_line
from tests.support.private_worlds import world
from tests.support.relations import Row
from tests.support.sealed import PlainSealer, small_key

ACCOUNTS: list[Row] = [{"person_id": f"p{n}", "district": "d1", "amount": Decimal(n), "age": n} for n in range(20)]
QUESTION = "SELECT count(*) AS n FROM gov.account WHERE age > {}"
OURS = f"{os.sep}louver_sandbox{os.sep}"


class Steps:
    """Counts calls of the platform's functions; ends the process at one of them."""

    def __init__(self, last: int | None) -> None:
        self.made = 0
        self._last = last

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """What `sys.setprofile` calls."""
        if event not in ("call", "return") or OURS not in frame.f_code.co_filename:
            return
        self.made += 1
        if self.made == self._last:
            os.kill(os.getpid(), signal.SIGKILL)


def sealing(line: PrivateLine) -> None:
    """From now on answers are sealed, to a small key."""
    line.sealing_key, line.sealer = small_key().kid, PlainSealer(small_key().public)
    line.redraw(line.sampler)


def ask_once(place: Path | str, number: int, last: int | None, seal: str = "") -> int:
    """Asks a question, in a child that is killed at its `last` step; how many steps it made, 0 if it was killed."""
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(told, str(_asked(place, number, last, seal)).encode())
        finally:
            os._exit(0)
    os.close(told)
    made = os.read(heard, 32)
    os.close(heard)
    os.waitpid(pid, 0)
    return int(made or 0)


def _asked(place: Path | str, number: int, last: int | None, seal: str) -> int:
    with private_line(Path(), world(accounts=ACCOUNTS), place=place) as line:
        line.books.log._randomness = secrets.token_bytes
        sealing(line)
        request = ask(QUESTION.format(number), f"request-{number}", seal=seal)
        planned = line._judge(request, None)  # type: ignore[arg-type]
        line._line._judge = lambda request, facts: planned
        steps = Steps(last)
        sys.setprofile(steps)
        line.pipeline.answer(request, call())
        sys.setprofile(None)
        return steps.made


def main(place: str, kills: int, seal: str) -> None:
    """Prints how many steps there are, then for each kill its step and whether it was killed."""
    steps = ask_once(place, 0, None, seal)
    print(steps)
    shift = Fraction(os.environ.get("LOUVER_KILL_SHIFT", "0"))
    for number in range(1, kills + 1):
        last = 1 + int((number - 1 + shift) * (steps - 1) / max(1, kills - 1))
        print(last, ask_once(place, number, last, seal), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
