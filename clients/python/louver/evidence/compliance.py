"""The compliance report: what follows from entries of the log alone, the same every time, in Chinese and English.

An outcome's datasets are its admission's. What decided is compared with what had been put into force by then. Alerts
follow from rules that are no part of the log, so they are given beside and the report says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from html import escape
from typing import Any, Final, TypeVar

from louver.display import visible
from louver.evidence.scope import Scope
from louver.evidence.words import WORDS
from louver.transparency.ledger_totals import decimal, exact_decimal
from louver.transparency.retention import Holds

Fields = Mapping[str, Any]
Names = TypeVar("Names", bound=tuple[str, ...])
GRACE_S: Final = 600.0
"""How long after a replacement the former bundle may still decide: requests under way end by what they began with."""
MOST_LISTED: Final = 50
"""Acts of one kind that are listed one by one; all are counted."""
VERDICTS: Final = ("admitted", "answered", "refused", "aborted", "explained")
_BY_KIND: Final = {"admission": "admitted", "outcome": "answered", "refusal": "refused", "aborted": "aborted"}
_LISTED: Final = ("activation", "policy", "hold", "hold_released", "pruning", "erasure", "purge")


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its heading; both are keys of `words.WORDS`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    note: str = ""


@dataclass
class _Sums:
    """What is counted as entries come, by index."""

    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    purposes: Counter[tuple[str, str]] = field(default_factory=Counter)
    datasets: Counter[tuple[str, str]] = field(default_factory=Counter)
    treatments: Counter[tuple[str]] = field(default_factory=Counter)
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    units: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    losses: dict[tuple[str, str, str], Fraction] = field(default_factory=dict)
    consents: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    looks: Counter[tuple[str, str]] = field(default_factory=Counter)
    acts: Counter[tuple[str]] = field(default_factory=Counter)
    listed: list[tuple[object, ...]] = field(default_factory=list)
    drifted: list[tuple[object, ...]] = field(default_factory=list)
    holds: Holds = field(default_factory=Holds)
    pruned: int = 0
    read_from: dict[int, tuple[str, ...]] = field(default_factory=dict)
    activated: dict[tuple[str, str], str] = field(default_factory=dict)
    in_force: tuple[str, str] | None = None
    replaced: dict[tuple[str, str], str] = field(default_factory=dict)


def sections(entries: Iterable[Fields], scope: Scope, alerts: Mapping[str, int] | None = None) -> tuple[Section, ...]:
    """The report over entries by index (of pruned ones, over what is left of them)."""
    sums = _Sums()
    for fields in entries:
        _activation(sums, fields)
        if str(fields.get("time")) >= scope.since:
            _take(sums, fields)
    return tuple(_sections(sums, alerts))


def verdict(fields: Fields) -> str:
    """What became of a request, or nothing."""
    if fields.get("kind") == "explain":
        return "refused" if fields.get("code") else "explained"
    return _BY_KIND.get(str(fields.get("kind")), "")


def _take(sums: _Sums, fields: Fields) -> None:
    kind, who, found = str(fields.get("kind")), str(fields.get("institution", "")), verdict(fields)
    sums.pruned += "leaf" in fields
    if found:
        sums.verdicts[who, found] += 1
        sums.purposes[str(fields.get("purpose", "")), found] += 1
        for dataset in _datasets(sums, fields):
            sums.datasets[dataset, found] += 1
    if found == "refused":
        sums.codes[str(fields.get("code", "")), who] += 1
    if kind == "outcome":
        sums.treatments[(str(fields.get("treatment", "")),)] += 1
    elif kind == "admission":
        _admission(sums, fields, who)
    elif kind in ("authorisation", "authorisation_revoked"):
        sums.consents[who, kind] += 1
    elif kind == "audit_look":
        sums.looks[str(fields.get("auditor", "")), str(fields.get("verb", ""))] += 1
    elif not found:
        _act(sums, fields, kind)


def _admission(sums: _Sums, fields: Fields, who: str) -> None:
    for item in _objects(fields.get("charges")):
        keys, amount = item.get("keys"), item.get("amount", 1)
        number = _number(item.get("count")) + (len(keys) if isinstance(keys, list) else 0)
        sums.units[who, str(item.get("dataset", "")), str(item.get("kind", ""))] += number * _number(amount)
    for item in _objects(fields.get("privacy")):
        account = (who, str(item.get("dataset", "")), str(item.get("unit", "")))
        cost = item.get("cost")
        rho = exact_decimal(str(cost.get("rho", "")) if isinstance(cost, dict) else "")
        sums.losses[account] = sums.losses.get(account, Fraction(0)) + rho
    committed = fields.get("commitments")
    if isinstance(committed, dict) and "standing" in committed:
        sums.consents[who, "lookup"] += 1
    sums.consents[who, "persons"] += _number(fields.get("authorisations"))
    for item in _objects(fields.get("history")):
        sums.findings[who, str(item.get("pattern", ""))] += 1
    _drift(sums, fields)


def _activation(sums: _Sums, fields: Fields) -> None:
    if fields.get("kind") != "activation":
        return
    now = (str(fields.get("bundle")), str(fields.get("catalog")))
    if sums.in_force is not None and sums.in_force != now:
        sums.replaced[sums.in_force] = str(fields.get("time"))
    sums.replaced.pop(now, None)
    sums.activated[now] = str(fields.get("time"))
    sums.in_force = now


def _drift(sums: _Sums, fields: Fields) -> None:
    """Whether an admission was decided by what no activation had put into force, or had put out of it."""
    by = (str(fields.get("bundle")), str(fields.get("catalog")))
    if "bundle" not in fields:
        return
    ended = sums.replaced.get(by)
    if by in sums.activated and (ended is None or _seconds(ended, str(fields.get("time"))) <= GRACE_S):
        return
    sums.drifted.append((fields.get("index"), fields.get("time"), by[0], by[1]))


def _act(sums: _Sums, fields: Fields, kind: str) -> None:
    sums.acts[(kind,)] += 1
    if kind in ("hold", "hold_released"):
        sums.holds.take(fields)
    if kind in _LISTED:
        names = ("step", "policy", "hold", "bundle", "entries", "rule", "entry", "table", "reason")
        said = "; ".join(f"{name} {_short(fields[name])}" for name in names if fields.get(name) not in (None, "", []))
        sums.listed.append((fields.get("index"), fields.get("time"), kind, said))


def _datasets(sums: _Sums, fields: Fields) -> tuple[str, ...]:
    snapshots = fields.get("snapshots")
    named = set(snapshots) if isinstance(snapshots, dict) else set()
    for name in ("charges", "privacy"):
        named |= {str(item.get("dataset", "")) for item in _objects(fields.get(name))}
    about = fields.get("admission")
    if named and fields.get("kind") == "admission" and type(fields.get("index")) is int:
        sums.read_from[fields["index"]] = tuple(sorted(named - {""}))
    return tuple(sorted(named - {""})) or (sums.read_from.get(about, ()) if isinstance(about, int) else ())


def _sections(sums: _Sums, alerts: Mapping[str, int] | None) -> Iterator[Section]:
    yield Section("verdicts", ("institution", *VERDICTS), _crossed(sums.verdicts))
    yield Section("purposes", ("purpose", *VERDICTS), _crossed(sums.purposes))
    yield Section("datasets", ("dataset", *VERDICTS), _crossed(sums.datasets))
    yield Section("treatments", ("treatment", "number"), _counted(sums.treatments))
    yield Section("refusals", ("code", "institution", "number"), _counted(sums.codes))
    yield Section("budgets", ("institution", "dataset", "kind", "units"), _counted(sums.units))
    losses = tuple((*account, decimal(rho)) for account, rho in sorted(sums.losses.items()))
    yield Section("losses", ("institution", "dataset", "unit", "rho"), losses)
    yield Section("consents", ("institution", "what", "number"), _counted(sums.consents))
    yield Section("findings", ("institution", "pattern", "number"), _counted(sums.findings))
    if alerts is not None:
        yield Section("alerts", ("rule", "number"), tuple(sorted(alerts.items())), "alerts_note")
    held = tuple(
        (one.name, one.reason, ", ".join(one.institutions), one.since, one.until)
        for one in sums.holds.standing.values()
    )
    yield Section("holds", ("hold", "reason", "institution", "since", "until"), held)
    drifted = tuple(sums.drifted[:MOST_LISTED])
    yield Section(
        "drift", ("entry", "time", "bundle", "catalog"), drifted, "drift_none" if not drifted else "drift_note"
    )
    yield Section("acts", ("kind", "number"), _counted(sums.acts))
    yield Section("listed", ("entry", "time", "kind", "what"), tuple(sums.listed[-MOST_LISTED:]))
    yield Section("looks", ("auditor", "verb", "number"), _counted(sums.looks))
    yield Section("pruned", ("number",), ((sums.pruned,),), "pruned_note")


def _crossed(counts: Counter[tuple[str, str]]) -> tuple[tuple[object, ...], ...]:
    return tuple((name, *(counts[name, one] for one in VERDICTS)) for name in sorted({name for name, _ in counts}))


def _counted(counts: Mapping[Names, int]) -> tuple[tuple[object, ...], ...]:
    return tuple((*names, number) for names, number in sorted(counts.items()) if number)


def markdown(report: Sequence[Section], scope: Scope, origin: str, language: str) -> str:
    """The report as Markdown. Nothing in it can be taken for markup."""
    words = wording(language)
    lines = [f"# {words('title')}", "", *(f"- {one}" for one in facts(scope, origin, words)), ""]
    for section in report:
        lines += [f"## {words(section.title)}", ""]
        if section.note:
            lines += [words(section.note), ""]
        if section.rows:
            lines.append("| " + " | ".join(words(name) for name in section.columns) + " |")
            lines.append("|" + "---|" * len(section.columns))
            lines += ["| " + " | ".join(cell(value, words, _plain) for value in row) + " |" for row in section.rows]
        else:
            lines.append(words("none"))
        lines.append("")
    return "\n".join(lines)


def html(report: Sequence[Section], scope: Scope, origin: str, language: str) -> str:
    """The report as one page that prints, with nothing from elsewhere and no script."""
    words = wording(language)
    title = escape(words("title"))
    lines = [
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">',
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1><ul>",
        *(f"<li>{escape(one)}</li>" for one in facts(scope, origin, words)),
        "</ul>",
    ]
    for section in report:
        lines.append(f"<h2>{escape(words(section.title))}</h2>")
        lines += [f"<p>{escape(words(section.note))}</p>"] if section.note else []
        if not section.rows:
            lines.append(f"<p>{escape(words('none'))}</p>")
            continue
        heads = "".join(f'<th scope="col">{escape(words(name))}</th>' for name in section.columns)
        lines.append(f"<table><thead><tr>{heads}</tr></thead><tbody>")
        for row in section.rows:
            cells = "".join(
                f"<td{' class=n' if isinstance(value, int) else ''}>{cell(value, words, escape)}</td>"
                for value in row
            )
            lines.append(f"<tr>{cells}</tr>")
        lines.append("</tbody></table>")
    return "\n".join([*lines, "</body></html>", ""])


_STYLE: Final = (
    "body{font:15px/1.5 system-ui,'Noto Sans CJK SC',sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.2rem .5rem;text-align:left;"
    "overflow-wrap:anywhere}.n{text-align:right}h2{margin-top:2rem;break-after:avoid}tr{break-inside:avoid}"
)


def facts(scope: Scope, origin: str, words: Callable[[str], str]) -> tuple[str, ...]:
    """What the report is of, a line each."""
    who = ", ".join(map(visible, scope.institutions)) or words("everybody")
    return (
        f"{words('log')}: {visible(origin)}",
        f"{words('since')}: {scope.since} 00:00 UTC",
        f"{words('until')}: {scope.until} 00:00 UTC",
        f"{words('institution')}: {who}",
    )


def wording(language: str) -> Callable[[str], str]:
    """The words of a language by their keys; what is no key stands for itself."""
    at = 1 if language == "zh" else 0
    return lambda name: WORDS[name][at] if name in WORDS else name


def cell(value: object, words: Callable[[str], str], written: Callable[[str], str]) -> str:
    """What a cell shows, in some form's own way of writing text."""
    if isinstance(value, int) or value is None:
        return "" if value is None else str(value)
    return written(visible(words(str(value)))) or "-"


def _plain(text: str) -> str:
    """As Markdown shows it, whatever it is."""
    return "".join(f"\\{one}" if one in "\\`*_{}[]<>()#+!|~&" else one for one in text.replace("\n", " "))


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _objects(value: object) -> list[Fields]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**53 else 0


def _seconds(earlier: str, later: str) -> float:
    try:
        return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()
    except (ValueError, TypeError):
        return float("inf")
