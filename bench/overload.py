"""A storm over the real service: what is answered, how long it takes, who waits for whom, and whether memory grows.

`peak_per_s` is what callers one after another have answered, as many as the line has lanes, from two institutions,
before and after everything else. `normal_p99_ms` is the latency while half of that arrives. Then twice the peak
arrives, at random moments and whether or not anything is answered (`--minutes N`, a third of one if not given, 10
with `--full`). `goodput_share` are the answers a second over the peak (goal: at least 0.9), `storm_p99_ms` how long
the answered took and `p99_x` that over the p99 of the peak (goal: at most 2; `p99_over_half_x` over that of half of
it), `refusal_p99_ms` how soon the others heard when to come back (goal: at most 50). `rss_growth` is the service's
memory at the end of the storm over that after its first tenth (goal: within 0.1).

`fair_share`: three institutions ask for a tenth of the peak each; then one of them for ten times as much. The least
of what the two others have answered, over what they had without it (goal: at least 0.8); `fair_p99_x` is what their
p99 became. Latencies count from the moment at which a question was due. The callers are on the same machine and
compete for it.
"""

import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.report import arguments, quantile, report
from bench.support.arrivals import Load, Outcome, arrive
from bench.support.callers import rss_mib
from bench.support.city import city, tools
from louver_sandbox.demo.city import City
from louver_sandbox.demo.running import running
from louver_sandbox.operator.installation import add_institution
from louver_sandbox.service.turnstile import Turnstile
from louver_sandbox.stages import InstitutionType

PERSONS = 2000
BANKS = ("bank_a", "bank_b", "bank_d")
STORM = 2.0
NORMAL = 0.5
QUIET, TIMES = 0.1, 10
WARM_S, PEAK_S, PEAK_S_FULL, STORM_S, FAIR_S = 4.0, 10.0, 60.0, 20.0, 15.0
SAMPLE_S = 1.0


class Service:
    """The running service, to be asked at different paces."""

    def __init__(self, made: City, address: str) -> None:
        self._made = made
        self._address = address
        self._seed = 0
        lanes = Turnstile(made.settings.limits).lanes
        self.callers = lanes // 2

    def peak(self, seconds: float) -> list[Outcome]:
        """Callers of two institutions, one question after another."""
        return self._arrive([Load(bank, 0.0, seconds, 0, self.callers) for bank in BANKS[:2]])

    def arriving(self, rates: dict[str, float], seconds: float) -> list[Outcome]:
        """So many questions a second of each institution."""
        loads = []
        for bank, rate in rates.items():
            self._seed += 1
            loads.append(Load(bank, rate, seconds, self._seed))
        return self._arrive(loads)

    def _arrive(self, loads: Sequence[Load]) -> list[Outcome]:
        return arrive(self._made, self._address, loads)


@contextmanager
def sampled(pid: int) -> Iterator[list[float]]:
    """The process's memory, a sample a second."""
    samples, ended = [rss_mib(pid)], threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_S):
            samples.append(rss_mib(pid))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _rate(outcomes: Sequence[Outcome]) -> float:
    return sum(one.per_second for one in outcomes)


def _answered(outcomes: Sequence[Outcome]) -> list[float]:
    return [seconds for one in outcomes for seconds in one.answered]


def _refused(outcomes: Sequence[Outcome]) -> list[float]:
    return [seconds for one in outcomes for seconds in one.refused]


def _ms(seconds: Sequence[float], q: float) -> float | None:
    return 1000 * quantile(seconds, q) if seconds else None


def _row(what: str, outcomes: Sequence[Outcome]) -> dict[str, object]:
    answered, refused = _answered(outcomes), _refused(outcomes)
    return {
        "what": what,
        "answered/s": _rate(outcomes),
        "refused": len(refused),
        "p50 ms": _ms(answered, 0.5),
        "p99 ms": _ms(answered, 0.99),
        "refusals p99 ms": _ms(refused, 0.99),
    }


def main() -> None:
    """Build, ask at every pace, report."""
    given = arguments(__doc__ or "", minutes="how long the storm is held")
    peak_s = PEAK_S_FULL if given.full else PEAK_S
    storm_s = 60.0 * (given.minutes or 10 * given.full) or STORM_S
    with tempfile.TemporaryDirectory(prefix="louver-overload-") as scratch:
        made = city(Path(scratch), PERSONS)
        add_institution(made.settings, BANKS[2], InstitutionType.BANK, ("banks",), "Bank D", tools())
        with running(made.settings.home) as (address, process):
            service = Service(made, address)
            service.peak(WARM_S)
            first = service.peak(peak_s)
            peak = _rate(first)
            normal = service.arriving(dict.fromkeys(BANKS[:2], NORMAL * peak / 2), peak_s)
            with sampled(process.pid) as memory:
                storm = service.arriving(dict.fromkeys(BANKS[:2], STORM * peak / 2), storm_s)
            quiet = service.arriving(dict.fromkeys(BANKS, QUIET * peak), FAIR_S)
            beside = service.arriving(
                {BANKS[0]: TIMES * QUIET * peak, **dict.fromkeys(BANKS[1:], QUIET * peak)}, FAIR_S
            )
            last = service.peak(peak_s)
    both = [*first, *last]
    peak = _rate(both) / 2
    p99 = {name: quantile(_answered(of), 0.99) for name, of in (("peak", both), ("normal", normal), ("storm", storm))}
    rows = [
        _row("peak, before", first),
        _row("peak, after", last),
        _row("half of it", normal),
        _row("twice of it", storm),
        *(_row(f"a tenth of it each: {one.load.institution}", [one]) for one in quiet),
        *(_row(f"beside {BANKS[0]} at {TIMES} times: {one.load.institution}", [one]) for one in beside),
    ]
    early = memory[len(memory) // 10]
    figures = {
        "peak_per_s": round(peak, 1),
        "goodput_per_s": round(_rate(storm), 1),
        "goodput_share": round(_rate(storm) / peak, 2),
        "normal_p99_ms": round(1000 * p99["normal"]),
        "peak_p99_ms": round(1000 * p99["peak"]),
        "storm_p99_ms": round(1000 * p99["storm"]),
        "p99_x": round(p99["storm"] / p99["peak"], 2),
        "p99_over_half_x": round(p99["storm"] / p99["normal"], 2),
        "storm_s": round(storm_s),
        "storm_asked": sum(len(one.met) for one in storm),
        "storm_refused": len(_refused(storm)),
        "refusal_p50_ms": round(1000 * quantile(_refused(storm) or [0.0], 0.5), 1),
        "refusal_p99_ms": round(1000 * quantile(_refused(storm) or [0.0], 0.99), 1),
        "rss_early_mib": round(early, 1),
        "rss_end_mib": round(memory[-1], 1),
        "rss_growth": round(memory[-1] / early - 1, 3),
        "fair_share": round(_fair(quiet, beside), 2),
        "fair_p99_x": round(
            max(
                quantile(after.answered, 0.99) / quantile(before.answered, 0.99)
                for before, after in zip(quiet[1:], beside[1:], strict=True)
            ),
            2,
        ),
    }
    report("overload", rows, figures)


def _fair(quiet: Sequence[Outcome], beside: Sequence[Outcome]) -> float:
    """The least share of what was asked that the quiet ones had answered, over their share without the storm."""

    def share(one: Outcome) -> float:
        return len(one.answered) / max(1, len(one.met))

    return min(share(after) / (share(before) or 1.0) for before, after in zip(quiet[1:], beside[1:], strict=True))


if __name__ == "__main__":
    main()
