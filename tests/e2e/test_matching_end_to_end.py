"""B07 of the domain, through a real client and a real service: the whole book against the government's lists."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from tests.e2e.soundness import entries, wrongs
from tests.support.installation import Service
from tests.support.matched_city import BLACK, PLANTED, RED, STATUTORY, holding, louver_command, plain

import louver
from louver import aio
from louver.errors import Refused
from louver.failures import Misused
from louver_sandbox.auditing.replay import replay
from louver_sandbox.premises import open_books, utc_now
from louver_sandbox.store import State

Book = Sequence[tuple[str, int]]


def test_b07_gives_what_the_plain_computation_gives(matched: Service, matching: louver.Client, book: Book) -> None:
    stages: list[str] = []
    found = matching.match([id_ for id_, _ in book], list=BLACK, progress=stages.append)
    expected = plain(
        matched,
        "SELECT l.id_no, c.list_code, CAST(c.listed_on AS VARCHAR), c.measures FROM BOOK l JOIN LIST c "
        "ON c.subject_id = l.id_no WHERE c.polarity = 'B' AND c.repaired_on IS NULL AND c.subject_class <> 'P' "
        f"AND c.valid_to >= DATE '{found.day}'",
    )
    assert expected
    assert sorted(found.rows, key=repr) == expected
    assert found.ids == len({id_ for id_, _ in book})
    assert any(stage.startswith("blinding") for stage in stages)
    assert stages[-1].startswith("finishing")
    assert found.proof is not None
    assert found.proof.entry["match_set"] == found.set_sha256
    assert found.cost == {"gov.credit_list query": 1, "gov.credit_list match_ids": found.ids}


def test_the_statutory_list_hits_persons_who_are_still_on_it(
    matched: Service, matching: louver.Client, book: Book
) -> None:
    everybody = [str(id_) for (id_,) in plain(matched, "SELECT DISTINCT subject_id FROM COURT")]
    found = matching.match([id_ for id_, _ in book] + everybody, list=STATUTORY)
    expected = plain(
        matched,
        "SELECT subject_id, case_no, court_name, performance, CAST(published_on AS VARCHAR) FROM COURT "
        f"WHERE published_on IS NOT NULL AND (removed_on IS NULL OR removed_on > DATE '{found.day}')",
    )
    assert len(expected) > 10
    assert len(expected) < len(plain(matched, "SELECT * FROM COURT"))
    shown = [
        (hit.id, *(hit.values[name] for name in ("case_no", "court_name", "performance", "published_on")))
        for hit in found.hits
    ]
    assert sorted(shown, key=repr) == expected


def test_a_person_is_hit_by_the_own_authorisation(
    matched: Service, matching: louver.Client, book: Book, tmp_path: Path
) -> None:
    """No statute makes the persons of this list public: without an authorisation they look like persons who are not on
    it, and a revocation a moment before counts."""
    today = matching.match([id_ for id_, _ in book], list=BLACK).day
    persons = [
        str(subject)
        for (subject,) in plain(
            matched,
            "SELECT DISTINCT subject_id FROM LIST WHERE polarity = 'B' AND repaired_on IS NULL AND subject_class = 'P' "
            f"AND valid_to >= DATE '{today}' ORDER BY 1 LIMIT 3",
        )
    ]
    assert len(persons) == 3
    ids = [*(id_ for id_, _ in book), *persons]
    held = [
        matching.record_authorisation(
            one,
            purpose="POST_LOAN",
            scope=["gov.credit_list"],
            granted_on=date(2026, 1, 1),
            expires_on=date(2099, 12, 31),
            evidence_sha256="ab" * 32,
            unit="person",
            single_consent=True,
            uses=0,
        )
        for one in persons
    ]
    assert not set(persons) & {hit.id for hit in matching.match(ids, list=BLACK).hits}
    found = matching.match(ids, list=BLACK, authorisations=[*held[:2], "none"])
    assert set(persons) & {hit.id for hit in found.hits} == set(persons[:2])
    assert found.proof is not None
    matching.revoke_authorisation(held[0])
    (tmp_path / "held.txt").write_text("\n".join(held), encoding="utf-8")
    (tmp_path / "book.txt").write_text("\n".join(ids), encoding="utf-8")
    done = louver_command(
        matched, "match", str(tmp_path / "book.txt"), "--list", BLACK, "--purpose", "POST_LOAN",
        "--authorisations", str(tmp_path / "held.txt"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {line.split(",")[0] for line in done.stdout.splitlines()} & set(persons) == set(persons[1:])
    with pytest.raises(Refused, match="LVR-5120"):
        matching.match(ids, list=STATUTORY, authorisations=held)
    with pytest.raises(Misused, match="mode hits"):
        matching.match(ids, list=BLACK, mode="count", authorisations=held)


def test_expired_and_repaired_entries_never_hit(matched: Service, matching: louver.Client, book: Book) -> None:
    """Of both lists, all firms that were on it once and are not now: named one by one, none hits."""
    day = matching.match([id_ for id_, _ in book], list=BLACK).day
    on_it = f"repaired_on IS NULL AND valid_to >= DATE '{day}'"
    gone = 0
    for polarity, list_ in (("B", BLACK), ("R", RED)):
        once = f"FROM LIST WHERE polarity = '{polarity}' AND subject_class <> 'P'"
        former = [
            str(subject)
            for (subject,) in plain(
                matched, f"SELECT DISTINCT subject_id {once} EXCEPT SELECT subject_id {once} AND {on_it}"
            )
        ]
        gone += len(former)
        asked = former + [f"NOBODY{number}" for number in range(100)]
        assert matching.match(asked, list=list_).hits == ()
        some = plain(matched, f"SELECT DISTINCT subject_id {once} AND {on_it}")
        assert len(
            {hit.id for hit in matching.match([*asked, *(str(one) for (one,) in some)], list=list_).hits}
        ) == len(some)
    assert gone, "the city has such firms"


def test_feedback_of_a_measure_is_logged_and_names_no_subject(
    matched: Service, matching: louver.Client, book: Book
) -> None:
    """联合奖惩反馈, by the client and by the command line."""
    found = matching.match([id_ for id_, _ in book], list=BLACK)
    subject, measure = found.hits[0].id, str(found.hits[0].values["measures"][0])
    entry = matching.report_measure(
        found.request_id,
        list=BLACK,
        subject=subject,
        measure=measure,
        taken_on=date(2026, 7, 1),
        note="limit lowered",
    )
    done = louver_command(
        matched, "report-measure", found.request_id, subject, "--list", BLACK, "--measure", measure,
        "--taken-on", "2026-07-02",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logged = entries(matched.city, kind="match_measure")
    (first,) = [one for one in logged if one["index"] == entry]
    assert (first["measure"], first["taken_on"], first["list"]) == (measure, "2026-07-01", BLACK)
    assert f"log entry {logged[-1]['index']}" in done.stdout
    assert all(subject not in json.dumps(one) and "lowered" not in json.dumps(one) for one in logged)


def test_two_banks_get_the_same_set_and_the_log_names_it(
    matched: Service, matching: louver.Client, book: Book
) -> None:
    ids = [id_ for id_, _ in book]
    first = matching.match(ids, list=BLACK)
    with matched.connect("bank_b", "POST_LOAN") as other:
        second = other.match(ids, list=BLACK)
    assert first.set_sha256 == second.set_sha256
    logged = [entry for entry in entries(matched.city, kind="match_set") if entry["list"] == BLACK]
    assert first.set_sha256 in {entry["sha256"] for entry in logged}


def test_the_asyncio_client_matches_too(matched: Service, matching: louver.Client, book: Book) -> None:
    async def both() -> tuple[louver.Match, louver.Match, int]:
        async with aio.AsyncClient(matching.settings) as client:
            assert {item.list for item in await client.lists()} == {BLACK, RED, STATUTORY}
            ids = [id_ for id_, _ in book]
            hits, count = await client.match(ids, list=BLACK), await client.match(ids, list=RED, mode="count")
            entry = await client.report_measure(
                hits.request_id, list=BLACK, subject=hits.hits[0].id, measure="2.04", taken_on=date(2026, 7, 1)
            )
            with pytest.raises(Refused, match="LVR-5103"):
                await client.match(ids[:3], list=BLACK)
            return hits, count, entry

    hits, count, entry = asyncio.run(both())
    assert hits.rows == matching.match([id_ for id_, _ in book], list=BLACK).rows
    assert count.value == matching.match([id_ for id_, _ in book], list=RED, mode="count").value
    (logged,) = [item for item in entries(matched.city, kind="match_measure") if item["index"] == entry]
    assert logged["measure"] == "2.04"
    assert hits.hits[0].id not in json.dumps(logged)


def test_feedback_without_a_hit_of_ones_own_is_refused(matching: louver.Client) -> None:
    with pytest.raises(Refused, match="LVR-5109"):
        matching.report_measure(
            str(uuid.uuid4()), list=BLACK, subject="91370200MA3CXXXX0X", measure="2.04", taken_on=date(2026, 7, 1)
        )


def test_no_id_of_a_miss_reaches_the_platforms_disk(matched: Service, matching: louver.Client, book: Book) -> None:
    """Searched: state store with its side files, logs, spool, run, sets. The search itself is tried on a table that
    the bank uploads in clear, where it must find the id."""
    ids = [*(id_ for id_, _ in book), PLANTED]
    matching.match(ids, list=BLACK)
    matching.match(ids, list=RED, mode="count")
    assert holding(matched, PLANTED) == []
    matching.upload("planted", [{"id": PLANTED}])
    assert holding(matched, PLANTED) != []
    matching.drop("planted")


def test_every_match_can_be_decided_again_from_the_log(matched: Service, matching: louver.Client, book: Book) -> None:
    found = matching.match([id_ for id_, _ in book], list=BLACK)
    settings = matched.city.settings
    with State.open(settings.state) as state:
        log = open_books(settings, state, utc_now).log
        assert replay(found.receipt.index, log, settings, ()).same


def test_the_command_line_gives_what_one_can_pipe(matched: Service, book: Book, tmp_path: Path) -> None:
    ids = "".join(f"{id_}\n" for id_, _ in book)
    done = louver_command(matched, "match", "-", "--list", BLACK, "--purpose", "POST_LOAN", given=ids)
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.splitlines()
    assert header == "id,list_code,listed_on,measures"
    assert rows
    assert "receipt verified" in done.stderr
    lists = louver_command(matched, "match", "--lists", "--format", "json")
    assert {item["list"] for item in json.loads(lists.stdout)} == {BLACK, RED, STATUTORY}
    few = louver_command(
        matched, "match", "-", "--list", BLACK, "--purpose", "POST_LOAN", given="91370200MA0000001X\n"
    )
    assert few.returncode == 1
    assert "LVR-5103" in few.stderr
    table = tmp_path / "book.csv"
    table.write_text("id_no,yuan\n" + "".join(f"{id_},1\n" for id_, _ in book), encoding="utf-8")
    unnamed = louver_command(matched, "match", str(table), "--list", BLACK, "--purpose", "POST_LOAN")
    assert unnamed.returncode == 2
    assert "--column" in unnamed.stderr


def test_the_books_hold_after_all_of_it(matched: Service) -> None:
    assert wrongs(matched.city) == []
