"""Notices posted to an institution's address: to whom the operator allows it, whole, in order, and until taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.support.receivers import Receiver
from tests.support.warned import BANK, RIVAL, Warned, firm, warned

from louver.errors import Refused, Unproven
from louver.warnings import opened
from louver_sandbox.warnings.posting import HooksRefused, Posting, allowed

HOST = "hooks.example"


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    found = Receiver(tmp_path)
    yield found
    found.close()


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Warned]:
    with warned(tmp_path) as made:
        made.rows["gov.ent_registry"] = [(firm(number),) for number in range(3)]
        made.rows["gov.court_dishonest"] = [(firm(number), None) for number in range(3)]
        yield made


def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def posting(line: Warned, folder: Path, text: str = "", look_up: Callable[[str, int], list[str]] = here) -> Posting:
    said = text or f'[bank_a]\nhosts = ["{HOST}"]\nnetworks = ["127.0.0.0/8"]\nca = "ca.pem"\n'
    (folder / "webhooks.toml").write_text(said, encoding="utf-8")
    return Posting(folder / "webhooks.toml", line.books, line.clock, line.telling, line._incident, look_up)


def later(line: Warned) -> None:
    line.clock.now += timedelta(hours=2)


def test_notices_are_posted_once_they_come_up_and_prove_themselves(
    line: Warned, receiver: Receiver, tmp_path: Path
) -> None:
    posts = posting(line, tmp_path)
    posts.keep(BANK, f"https://{HOST}:{receiver.port}/louver?a=1")
    assert posts.round() == 0
    made = [line.borrower(firm(0)), line.borrower(firm(1))]
    line.evaluation.round()
    assert posts.round() == 2
    assert posts.round() == 0, "what was taken is posted no more"
    ((path, headers, body),) = receiver.taken
    assert (path, headers["content-type"]) == ("/louver?a=1", "application/json")
    found = opened(body, line.books.log.key, "bank_a")
    assert [one.subscription for one in found] == [one.id for one in made]
    assert firm(0).encode() not in body
    for forged in (body.replace(b"dishonest", b"tax_arrears"), b"{}", b"[1]", b"", body[:-3]):
        with pytest.raises(Unproven):
            opened(forged, line.books.log.key, "bank_a")
    with pytest.raises(Unproven):
        opened(body, line.books.log.key, "bank_b")


@pytest.mark.parametrize("status", [500, 302, 307])
def test_what_was_not_taken_is_posted_again_and_a_redirection_is_not_followed(
    line: Warned, receiver: Receiver, tmp_path: Path, status: int
) -> None:
    posts = posting(line, tmp_path)
    posts.keep(BANK, f"https://{HOST}:{receiver.port}/")
    line.borrower(firm(0))
    line.evaluation.round()
    receiver.status, receiver.headers = status, {"location": f"https://{HOST}:{receiver.port}/inner"}
    assert posts.round() == 0
    assert posts.round() == 0
    assert len(receiver.taken) == 1, "it waits before it tries again"
    receiver.status = 204
    later(line)
    assert posting(line, tmp_path).round() == 1, "another start of the service goes on with it"
    ids = [[one.id for one in opened(body, line.books.log.key, "bank_a")] for _, _, body in receiver.taken]
    assert ids[0] == ids[1], "it comes twice under one id"


def test_it_is_recorded_before_it_is_posted(line: Warned, receiver: Receiver, tmp_path: Path) -> None:
    posts = posting(line, tmp_path)
    posts.keep(BANK, f"https://{HOST}:{receiver.port}/")
    line.borrower(firm(0))
    line.evaluation.round()
    posts.round()
    assert line.kinds()[-2:] == ["warning_outcome", "warnings_told"]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (f'[bank_a]\nhosts = ["{HOST}"]\nca = "ca.pem"\n', ["127.0.0.1"]),
        (f'[bank_a]\nhosts = ["{HOST}"]\nca = "ca.pem"\nnetworks = ["127.0.0.0/8"]\n', ["169.254.169.254"]),
        (f'[bank_a]\nhosts = ["{HOST}"]\nca = "ca.pem"\nnetworks = ["127.0.0.0/8"]\n', ["127.0.0.1", "10.0.0.1"]),
        (f'[bank_a]\nhosts = ["{HOST}"]\nnetworks = ["127.0.0.0/8"]\n', ["127.0.0.1"]),
    ],
)
def test_no_address_is_called_that_the_operator_has_not_allowed_nor_one_that_is_not_known(
    line: Warned, receiver: Receiver, tmp_path: Path, text: str, addresses: list[str]
) -> None:
    posts = posting(line, tmp_path, text, lambda host, port: addresses)
    posts.keep(BANK, f"https://{HOST}:{receiver.port}/")
    line.borrower(firm(0))
    line.evaluation.round()
    assert posts.round() == 0
    assert receiver.taken == []


def test_what_the_operator_takes_back_ends_at_once(line: Warned, receiver: Receiver, tmp_path: Path) -> None:
    posts = posting(line, tmp_path)
    posts.keep(BANK, f"https://{HOST}:{receiver.port}/")
    line.borrower(firm(0))
    line.evaluation.round()
    (tmp_path / "webhooks.toml").write_text("", encoding="utf-8")
    assert posts.round() == 0
    (tmp_path / "webhooks.toml").write_text("not toml [", encoding="utf-8")
    later(line)
    assert posts.round() == 0
    assert receiver.taken == []


def test_after_a_revocation_nothing_is_posted(line: Warned, receiver: Receiver, tmp_path: Path) -> None:
    posts = posting(line, tmp_path)
    posts.keep(BANK, f"https://{HOST}:{receiver.port}/")
    given = line.consent(firm(0))
    line.subscribe(firm(0), given)
    line.evaluation.round()
    line.consents.revoke(given, BANK.institution)
    assert posts.round() == 0
    assert receiver.taken == []


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/", "https://other.example/", "https://hooks.example.evil.example/", "https://hooks.example@evil/",
        "https://user:pw@hooks.example/", "https://hooks.example/#x", "https://hooks.example\\@evil/", "https://HOOKS\u212a.example/",
        "https://hooks.example:99999/", "https://127.0.0.1/", "https://[::1/", "https:///x", "https://hooks.example/ x",
        "https://hooks.example/\r\nx: y", "file://hooks.example/x", "https://hooks.example/" + "x" * 600,
    ],
)  # fmt: skip
def test_addresses_that_are_none_of_the_allowed_are_refused(line: Warned, tmp_path: Path, url: str) -> None:
    with pytest.raises(Refused) as refused:
        posting(line, tmp_path).keep(BANK, url)
    assert refused.value.code == "LVR-5151"


def test_an_institution_has_its_own_address_and_may_end_it(line: Warned, tmp_path: Path) -> None:
    posts = posting(line, tmp_path)
    posts.keep(BANK, f"https://{HOST}/a")
    with pytest.raises(Refused):
        posts.keep(RIVAL, f"https://{HOST}/a")
    assert (posts.kept(BANK), posts.kept(RIVAL)) == (f"https://{HOST}/a", "")
    posts.keep(BANK, "")
    assert posts.kept(BANK) == ""


@pytest.mark.parametrize(
    "text",
    [
        "x", '[bank_a]\nhosts = "h"', '[bank_a]\nhosts = ["H"]', '[bank_a]\nhosts = ["*.h"]', '[bank_a]\nother = 1',
        '[bank_a]\nhosts = ["h"]\nnetworks = ["10.0.0.1/8"]', '[bank_a]\nhosts = ["h"]\nca = 1', "bank_a = 1",
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_allows_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "webhooks.toml").write_text(text, encoding="utf-8")
    with pytest.raises(HooksRefused):
        allowed(tmp_path / "webhooks.toml", "bank_a")
    assert json.dumps(sorted(allowed(tmp_path / "nowhere.toml", "bank_a").hosts)) == "[]"


def test_a_suspended_institution_keeps_nobody_else_from_having_theirs(
    line: Warned, receiver: Receiver, tmp_path: Path
) -> None:
    both = "".join(
        f'[{name}]\nhosts = ["{HOST}"]\nnetworks = ["127.0.0.0/8"]\nca = "ca.pem"\n' for name in ("bank_a", "bank_b")
    )
    posts = posting(line, tmp_path, both)
    for who in (BANK, RIVAL):
        posts.keep(who, f"https://{HOST}:{receiver.port}/{who.institution}")
        line.subscribe(firm(0), line.consent(firm(0), who), who=who)
    line.evaluation.round()
    line.suspensions.suspend("bank_a", "a key was found", "operator:wang")
    assert posts.round() == 1
    assert [path for path, _, _ in receiver.taken] == ["/bank_b"]
    line.suspensions.resume("bank_a", "a new key", "operator:wang")
    line.suspensions.resume("bank_a", "a new key", "operator:li")
    later(line)
    assert posts.round() == 1
    assert [path for path, _, _ in receiver.taken] == ["/bank_b", "/bank_a"]
