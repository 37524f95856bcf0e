"""Signing in at an OpenID provider, which is a real one: who is let in as what, and who is not, whatever is sent.

The provider speaks HTTPS and signs; the attackers have its codes, its tokens of another day, its keys' public half,
another provider, or the browser of somebody else.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from sqlalchemy import create_engine, text
from tests.e2e.test_console_in_a_browser import fit
from tests.support import chromium
from tests.support.console import Browser, free_port
from tests.support.installation import eventually
from tests.support.oidc import CLIENT, SECRET, Provider, provider

from louver.audit import AuditEntry
from louver.failures import Misused
from louver_sandbox.pki import Authority
from louver_server.accounts.model import Account, Role
from louver_server.accounts.throttle import IN_ALL
from louver_server.app import create_app, open_console
from louver_server.configuration import parse, read
from louver_server.federation import journeys
from louver_server.federation.asking import Asking, Unanswered
from louver_server.pages import tail
from louver_server.sessions import Console

OFFICE = {"sub": "1001", "preferred_username": "wang.fang", "groups": ["louver-boss"], "amr": ["pwd", "mfa"]}
TOML = """
address = "127.0.0.1:{port}"
certificate = "console.pem"
key = "console.key"

[oidc]
issuer = "{issuer}"
client_id = "{client}"
client_secret = "oidc.secret"
ca = "{ca}"
title = "市统一身份认证"
claim = "groups"
second_factor = ["amr=mfa", "acr=urn:example:two"]

[oidc.roles]
louver-boss = "administrator"
louver-a = "analyst bank_a"
louver-b = "analyst bank_b"
louver-audit = "auditor audit"
"""


@dataclass
class House:
    """A console with a provider, and the time."""

    console: Console
    provider: Provider
    folder: Path
    now: datetime
    opened: ExitStack

    @property
    def origin(self) -> str:
        return self.console.configuration.origin

    def clock(self) -> datetime:
        return self.now

    def browser(self) -> httpx.Client:
        return self.opened.enter_context(Browser(self.origin, self.folder / "authority.pem"))

    def there(self, browser: httpx.Client) -> str:
        """The browser goes off; what it is sent back with."""
        left = browser.get("/login/oidc", follow_redirects=False)
        assert left.status_code == 303, left.text
        return self.provider.authorize(left.headers["location"])

    def signed_in(self, browser: httpx.Client | None = None, **says: Any) -> httpx.Response:
        """The whole way; the last page."""
        self.provider.says = OFFICE | says
        browser = browser or self.browser()
        return browser.get(self.there(browser), follow_redirects=False)

    def journal(self) -> str:
        """Its newest line."""
        ((_, act),) = self.console.doors.store.acts(1)
        return f"{act.account} {act.what} {act.about}"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create(datetime.now(UTC))


@contextmanager
def serving(console: Console) -> Iterator[None]:
    """The console listens, in a thread, for the length of a `with` block."""
    known = console.configuration
    config = uvicorn.Config(
        create_app(console), host=known.host, port=known.port, log_level="error", proxy_headers=False,
        ssl_certfile=known.certificate, ssl_keyfile=known.key,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert eventually(lambda: server.started)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[House]:
    tmp_path = tmp_path_factory.mktemp("house")
    with ExitStack() as opened:
        there = opened.enter_context(provider(tmp_path))
        (tmp_path / "oidc.secret").write_text(SECRET, encoding="ascii")
        (tmp_path / "oidc.secret").chmod(0o600)
        document = TOML.format(port=free_port(), issuer=there.issuer, client=CLIENT, ca=there.ca)
        (tmp_path / "console.toml").write_text(document, encoding="utf-8")
        issued = authority.server("127.0.0.1", datetime.now(UTC))
        (tmp_path / "authority.pem").write_bytes(authority.issued.certificate)
        (tmp_path / "console.pem").write_bytes(issued.certificate)
        (tmp_path / "console.key").write_bytes(issued.key)
        _profiles(tmp_path, authority)
        found: House
        console = open_console(read(tmp_path), lambda: found.clock(), os.urandom)
        found = House(console, there, tmp_path, datetime.now(UTC), opened)
        there.clock = found.clock
        opened.enter_context(serving(console))
        yield found


@pytest.fixture
def house(running: House) -> House:
    """The same console with nobody in it, some hours later."""
    running.now += timedelta(hours=2)
    running.provider.untwist()
    with sqlite3.connect(running.console.configuration.state) as state:
        for table in ("accounts", "sessions", "spent", "failures", "acts"):
            state.execute(f"DELETE FROM {table}")
    return running


def _profiles(folder: Path, authority: Authority) -> None:
    written = []
    made = {
        "bank_a": authority.client, "bank_b": authority.client, "audit": authority.auditor,
        "zhao": authority.administrator, "office": authority.officer,
    }  # fmt: skip
    for name, issue in made.items():
        (folder / f"{name}.pem").write_bytes(issue(name, datetime.now(UTC)).certificate)
        written.append(
            f'[profiles.{name}]\ntarget = "127.0.0.1:1"\ncertificate = "{folder / name}.pem"\nkey = "k"\nca = "c"\nlog_key = "l"\n'
        )
    (folder / "profiles.toml").write_text("\n".join(written), encoding="utf-8")


def test_somebody_known_there_comes_in_with_one_role_and_again(house: House) -> None:
    browser = house.browser()
    assert "Sign in at 市统一身份认证" in browser.get("/login").text
    welcome = house.signed_in(browser)
    assert welcome.status_code == 200
    assert 'content="0;url=/"' in welcome.text
    assert "wang.fang" in browser.get("/accounts").text
    assert browser.get("/ask").status_code == 403
    account = house.console.doors.store.account("wang.fang")
    assert account is not None
    assert (account.role, account.profile, account.enrolled) == (Role.ADMINISTRATOR, "", True)
    assert house.signed_in(preferred_username="another.name").status_code == 200
    assert [one.name for one in house.console.doors.store.accounts()] == ["wang.fang"], "the subject is who they are"
    assert house.signed_in(sub="1002", preferred_username="li.na", groups=["x", "louver-a"]).status_code == 200
    assert house.signed_in(sub="1003", preferred_username="zhao", groups="louver-audit").status_code == 200
    assert house.signed_in(sub="1004", preferred_username="sun", amr=[], acr="urn:example:two").status_code == 200
    roles = {one.name: (one.role, one.profile) for one in house.console.doors.store.accounts()}
    assert roles["li.na"] == (Role.ANALYST, "bank_a")
    assert roles["zhao"] == (Role.AUDITOR, "audit")


def test_a_browser_goes_there_and_comes_back_signed_in(house: House) -> None:
    """The provider is another site, from which a browser sends no strict cookie along; it is signed in all the same."""
    house.provider.says = dict(OFFICE)
    with chromium.browser() as started, started.new_context(locale="zh-CN", ignore_https_errors=True) as context:
        page = context.new_page()
        heard = chromium.watched(page)
        page.goto(f"{house.origin}/login")
        fit(page)
        page.locator("a[href='/login/oidc']").click()
        page.wait_for_url("**/accounts")
        fit(page)
        assert page.locator(".who b").inner_text() == "wang.fang"
        assert page.get_by_text("在别处登录").count() == 1
    assert heard == []


def test_what_is_asked_of_the_provider_is_what_the_standards_want(house: House) -> None:
    first, second = (house.browser().get("/login/oidc", follow_redirects=False) for _ in range(2))
    where = urlsplit(first.headers["location"])
    asked = {name: value for name, (value,) in parse_qs(where.query).items()}
    assert f"{where.scheme}://{where.netloc}{where.path}" == f"{house.provider.issuer}/authorize"
    assert asked["redirect_uri"] == f"{house.origin}/login/oidc/callback"
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert asked["acr_values"] == "urn:example:two"
    other = {name: value for name, (value,) in parse_qs(urlsplit(second.headers["location"]).query).items()}
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[name]) >= 43, name
        assert asked[name] != other[name], name
    cookie = first.headers["set-cookie"]
    assert cookie.startswith("__Host-louver-oidc=")
    assert {"httponly", "secure", "samesite=lax"} <= {part.strip().lower() for part in cookie.split(";")}
    for name in ("state", "nonce"):
        assert asked[name] not in base64.urlsafe_b64decode(cookie.split("=", 1)[1].split(";")[0]).decode("latin-1")


NOT_ATTESTED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"groups": []}, "no role"),
    ({"groups": None}, "no role"),
    ({"groups": ["louver-nobody"]}, "no role"),
    ({"groups": ["louver-a", "louver-audit"]}, "more than one role"),
    ({"groups": ["louver-boss", "louver-a"]}, "more than one role"),
    ({"groups": ["louver-a", "louver-b"]}, "more than one role"),
    ({"groups": {"louver-a": True}}, "no role"),
    ({"amr": ["pwd"]}, "no second factor"),
    ({"amr": None}, "no second factor"),
    ({"acr": "mfa", "amr": []}, "no second factor"),
    ({"preferred_username": "Robert'); DROP TABLE"}, "no name"),
    ({"preferred_username": None}, "no name"),
    ({"preferred_username": "operator"}, "no name"),
    ({"preferred_username": ["wang.fang"]}, "no name"),
    ({"sub": ""}, "token"),
    ({"sub": 7}, "token"),
    ({"sub": "x" * 300}, "token"),
    ({"iss": "https://evil.example"}, "token: invalid_claim"),
    ({"aud": "another-client"}, "token: invalid_claim"),
    ({"aud": [CLIENT, "another-client"], "azp": CLIENT}, "token: for others too"),
    ({"aud": None}, "token"),
    ({"azp": "another-client"}, "token: invalid_claim"),
    ({"exp": 1_000_000_000}, "token: expired_token"),
    ({"exp": None}, "token"),
    ({"iat": None}, "token"),
    ({"nbf": 9_000_000_000}, "token"),
    ({"iat": 9_000_000_000}, "token"),
    ({"nonce": "another"}, "token: invalid_claim"),
    ({"nonce": None}, "token"),
    ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "token: invalid_claim"),
)


def test_whoever_is_not_attested_is_not_let_in(house: House) -> None:
    browser = house.browser()
    for says, why in NOT_ATTESTED:
        house.now += timedelta(minutes=1)  # thirty in vain within a quarter of an hour would close the door
        reply = house.signed_in(browser, **says)
        assert reply.status_code == 422, says
        assert "not let in here" in reply.text
        assert why in house.journal(), says
    assert house.console.doors.store.accounts() == []
    assert browser.get("/accounts", follow_redirects=False).headers["location"] == "/login"


def _none(house: House) -> Callable[[dict[str, Any]], str]:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return lambda claims: f"{part({'alg': 'none', 'kid': 'one'})}.{part(claims)}."


def _public_key_as_secret(house: House) -> Callable[[dict[str, Any]], str]:
    """By hand, as no library of good manners makes one."""

    def forged(claims: dict[str, Any]) -> str:
        parts = [{"alg": "HS256", "kid": "one"}, claims]
        said = ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in parts)
        mac = hmac.digest(house.provider.key.as_pem(private=False), said.encode(), "sha256")
        return f"{said}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"

    return forged


def _shared_secret(house: House) -> Callable[[dict[str, Any]], str]:
    secret = OctKey.import_key(SECRET * 2)
    return lambda claims: jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret)


def _own_key(house: House) -> Callable[[dict[str, Any]], str]:
    return lambda claims: house.provider.signed(claims, ECKey.generate_key("P-256", {"kid": "one"}))


def _key_in_the_header(house: House) -> Callable[[dict[str, Any]], str]:
    mine = ECKey.generate_key("P-256")
    named = {"jwk": mine.as_dict(private=False), "jku": "https://evil.example/keys", "kid": "two"}
    return lambda claims: house.provider.signed(claims, mine, **named)


def _cut(house: House) -> Callable[[dict[str, Any]], str]:
    return lambda claims: house.provider.signed(claims).rsplit(".", 1)[0] + "."


def _changed(house: House) -> Callable[[dict[str, Any]], str]:
    def changed(claims: dict[str, Any]) -> str:
        head, _, signature = house.provider.signed(claims).split(".")
        more = json.dumps(claims | {"groups": ["louver-audit"]}).encode()
        return f"{head}.{base64.urlsafe_b64encode(more).decode().rstrip('=')}.{signature}"

    return changed


FORGERIES = (_none, _public_key_as_secret, _shared_secret, _own_key, _key_in_the_header, _cut, _changed)


def test_a_token_that_the_provider_did_not_sign_is_none(house: House) -> None:
    browser = house.browser()
    for forged in (*(make(house) for make in FORGERIES), lambda claims: "no token", lambda claims: "x" * 20_000):
        house.provider.twist = forged
        assert house.signed_in(browser).status_code == 422
    house.provider.twist = None
    assert house.console.doors.store.accounts() == []
    assert set(house.provider.asked) == {"/.well-known/openid-configuration", "/keys", "/token"}
    assert house.signed_in(browser).status_code == 200


def test_an_answer_counts_once_in_the_browser_that_asked_for_it(house: House) -> None:
    house.provider.says = dict(OFFICE)
    victim, thief = house.browser(), house.browser()
    answer = house.there(victim)
    for stranger in (thief, house.browser()):
        assert stranger.get(answer).status_code == 422, "a sign-in planted in another browser"
    house.there(thief)
    assert thief.get(answer).status_code == 422, "nor in one that has begun its own"
    cookie = victim.cookies.get("__Host-louver-oidc")
    assert victim.get(answer, follow_redirects=False).status_code == 200
    assert victim.cookies.get("__Host-louver-oidc") is None
    asked = len(house.provider.asked)
    victim.cookies.set("__Host-louver-oidc", str(cookie), domain="127.0.0.1")
    assert victim.get(answer, follow_redirects=False).status_code == 422, "the same answer again"
    assert "an answer again" in house.journal()
    assert len(house.provider.asked) == asked, "and the provider is not asked"


def test_a_token_of_another_sign_in_is_worth_nothing(house: House) -> None:
    kept: list[str] = []

    def seen(claims: dict[str, Any]) -> str:
        kept.append(house.provider.signed(claims))
        return kept[-1]

    house.provider.twist = seen
    assert house.signed_in().status_code == 200
    house.provider.twist = lambda claims: kept[0]
    assert house.signed_in().status_code == 422
    assert "invalid_claim" in house.journal()


def test_a_code_that_was_stolen_or_made_up_is_worth_nothing(house: House) -> None:
    """The thief has the victim's code and brings it with a sign-in of their own: the verifier is the victim's."""
    house.provider.says = dict(OFFICE)
    victim, thief = house.browser(), house.browser()
    stolen = parse_qs(urlsplit(house.there(victim)).query)["code"][0]
    mine = urlsplit(house.there(thief))
    state = parse_qs(mine.query)["state"][0]
    reply = thief.get(f"{mine.path}?state={state}&code={stolen}&iss={house.provider.issuer}")
    assert reply.status_code == 422
    assert "status 400" in house.journal()
    house.provider.answer = lambda said: said | {"code": "made-up"}
    assert house.signed_in().status_code == 422


def test_an_answer_of_another_provider_is_not_exchanged(house: House) -> None:
    """Mix-up (RFC 9207): a code of one provider is not sent to the other."""
    for named in ({"iss": "https://evil.example"}, {"iss": ""}, {}):
        house.provider.answer = lambda said, named=named: {  # type: ignore[misc]
            "state": said["state"], "code": said["code"], **named,
        }  # fmt: skip
        assert house.signed_in().status_code == 422
        assert "another issuer" in house.journal()
    assert "/token" not in house.provider.asked


def test_a_refusal_there_is_one_here(house: House) -> None:
    house.provider.answer = lambda said: {"state": said["state"], "iss": said["iss"], "error": "access_denied"}
    assert house.signed_in().status_code == 422
    assert "access_denied" in house.journal()


def test_what_takes_too_long_is_over(house: House) -> None:
    house.provider.says = dict(OFFICE)
    browser = house.browser()
    answer = house.there(browser)
    house.now += timedelta(minutes=11)
    assert browser.get(answer).status_code == 422
    assert "/token" not in house.provider.asked


def test_roles_exclude_each_other_also_over_time(house: House) -> None:
    """A directory that makes an analyst an auditor tomorrow does not make them both: an administrator has to let go."""
    who: dict[str, Any] = {"sub": "77", "preferred_username": "li.na"}
    assert house.signed_in(**who, groups=["louver-a"]).status_code == 200
    for groups in (["louver-audit"], ["louver-b"], ["louver-boss"]):
        assert house.signed_in(**who, groups=groups).status_code == 422
        assert "comes as" in house.journal()
    boss = house.browser()
    assert house.signed_in(boss).status_code == 200
    token = boss.get("/accounts").text.split('name="csrf" value="')[1].split('"')[0]
    released = boss.post("/accounts/li.na/anew", data={"csrf": token}, headers={"origin": house.origin})
    assert released.status_code == 200
    assert "first password of" not in released.text
    inside = house.browser()
    assert house.signed_in(inside, **who, groups=["louver-audit"]).status_code == 200
    account = house.console.doors.store.account("li.na")
    assert account is not None
    assert (account.role, account.profile) == (Role.AUDITOR, "audit")
    house.console.doors.lock("li.na", "test", locked=True)
    assert house.signed_in(**who, groups=["louver-audit"]).status_code == 422
    assert inside.get("/head", follow_redirects=False).headers["location"] == "/login"


def test_one_administrator_makes_nobody_the_other_with_whom_they_agree(house: House) -> None:
    """Whoever makes an account, or starts one anew, has its first password, and would act as both."""
    doors, boss = house.console.doors, house.browser()
    assert house.signed_in(boss).status_code == 200
    token = boss.get("/accounts").text.split('name="csrf" value="')[1].split('"')[0]

    def sent(path: str, **fields: str) -> httpx.Response:
        return boss.post(path, data={"csrf": token, **fields}, headers={"origin": house.origin})

    assert sent("/accounts", name="helper", role="administrator", profile="zhao").status_code == 422
    assert doors.store.account("helper") is None
    assert sent("/accounts", name="chu", role="officer", profile="office").status_code == 201
    again = sent("/accounts", name="helper", role="officer", profile="office")
    assert again.status_code == 422
    assert "Another account acts with this profile" in again.text
    doors.invite("zhao", Role.ADMINISTRATOR, "zhao", "operator")
    for name in ("zhao", "chu"):
        kept = doors.store.password(name)
        assert sent(f"/accounts/{name}/anew").status_code == 422
        assert doors.store.password(name) == kept


def test_a_page_that_listens_is_nobody_who_uses_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An auditor leaves the growing log open and goes home: half an hour later the session is over, whether the stream
    goes on or the browser begins others."""

    class Growing:
        def follow(self, start: int, **_asked: object) -> Iterator[tuple[int, list[AuditEntry]]]:
            for _ in range(10):
                house.now += timedelta(minutes=8)
                yield start, []

    monkeypatch.setattr(tail, "log_of", lambda *_: Growing())
    for streams in (1, 4):
        browser = house.browser()
        assert house.signed_in(browser, groups=["louver-audit"]).status_code == 200
        monkeypatch.setattr(tail, "SECONDS", 600.0 if streams == 1 else -1.0)  # each is over after one look
        told = [browser.get("/log/tail/events", follow_redirects=False) for _ in range(streams)]
        assert sum(one.text.count("id: ") for one in told) == 3
        gone = browser.get("/log/tail/events", follow_redirects=False)
        assert (gone.status_code, gone.headers["location"]) == (303, "/login")


def test_a_name_is_no_way_into_an_account_of_that_name(house: House) -> None:
    doors = house.console.doors
    first = doors.invite("wang.fang", Role.ANALYST, "bank_a", "test")
    assert house.signed_in().status_code == 422
    assert "the name is another's" in house.journal()
    assert house.signed_in(sub="1", preferred_username="zhou").status_code == 200
    assert house.signed_in(sub="2", preferred_username="zhou").status_code == 422
    local = house.browser().post(
        "/login", data={"name": "wang.fang", "password": first}, headers={"origin": house.origin}
    )
    assert local.url.path == "/login/enrol"
    for password in ("", first, "nobody has this password"):
        there = house.browser().post(
            "/login", data={"name": "zhou", "password": password}, headers={"origin": house.origin}
        )
        assert there.status_code == 422, "who signs in elsewhere has no password here"


def test_a_profile_that_is_of_another_kind_lets_nobody_in(house: House, authority: Authority) -> None:
    """The operator's mistake: an auditor's role with a bank's certificate."""
    path = house.folder / "audit.pem"
    kept = path.read_bytes()
    path.write_bytes(authority.client("audit", datetime.now(UTC)).certificate)
    assert house.signed_in(groups=["louver-audit"]).status_code == 422
    assert "auditor with profile 'audit'" in house.journal()
    path.write_bytes(kept)


NOT_ITS_OWN: tuple[dict[str, Any], ...] = (
    {"issuer": "https://evil.example"},
    {"token_endpoint": "https://127.0.0.1:1/token"},
    {"token_endpoint": "http://169.254.169.254/latest/meta-data"},
    {"jwks_uri": "file:keys"},
    {"jwks_uri": "https://localhost.evil.example/keys"},
    {"jwks_uri": None},
    {"authorization_endpoint": "https://evil.example/authorize"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"token_endpoint": "https://localhost@evil.example/token"},
    {"padding": "x" * 300_000},
)


def test_the_console_asks_nobody_but_the_provider(house: House) -> None:
    browser = house.browser()
    for said in NOT_ITS_OWN:
        house.now += timedelta(minutes=1)
        house.provider.asked.clear()
        house.provider.document = lambda document, said=said: document | said  # type: ignore[misc]
        reply = browser.get("/login/oidc", follow_redirects=False)
        assert reply.status_code == 502, said
        assert "location" not in reply.headers
        assert browser.get("/login/oidc").status_code == 502
        assert house.provider.asked == ["/.well-known/openid-configuration"], "nor is it asked again and again"
    house.provider.untwist()
    house.now += timedelta(seconds=11)
    assert house.signed_in().status_code == 200, "it is well again"


def test_no_redirect_of_the_provider_is_followed(house: House, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with provider(tmp_path / "other") as other:
        house.provider.redirect = f"{other.issuer}/token"
        assert house.signed_in().status_code == 422
        assert other.asked == []


def test_a_provider_that_another_authority_vouches_for_is_not_asked(house: House, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with provider(tmp_path / "other") as other:
        known, doors = house.console.configuration.provider, house.console.doors
        assert known is not None
        named = replace(known, issuer=other.issuer, hosts=frozenset({urlsplit(other.issuer).netloc}))
        asking = Asking(named, "https://console.example/login/oidc/callback", doors.clock)
        with pytest.raises(Unanswered, match="ConnectError"):
            asking.address(journeys.begin(doors.token, doors.clock()))
        asking.close()
        assert other.asked == []


def test_keys_are_read_again_when_the_provider_has_new_ones_and_not_for_every_forgery(house: House) -> None:
    assert house.signed_in().status_code == 200
    house.now += timedelta(minutes=2)
    house.provider.asked.clear()
    old, new = house.provider.key, ECKey.generate_key("P-256", {"kid": "two"})
    house.provider.twist = lambda claims: house.provider.signed(claims, new, kid="two")
    for _ in range(5):
        assert house.signed_in().status_code == 422
    assert house.provider.asked.count("/keys") == 1, "not within a minute"
    house.now += timedelta(minutes=2)
    house.provider.key = new
    assert house.signed_in().status_code == 200
    assert house.provider.asked.count("/keys") == 2
    house.provider.key = old


def test_nothing_in_an_address_says_where_to_go_afterwards(house: House) -> None:
    house.provider.says = dict(OFFICE)
    for name in ("next", "return_to", "redirect_uri", "url", "target_link_uri", "iss"):
        left = house.browser().get("/login/oidc", params={name: "https://evil.example"}, follow_redirects=False)
        assert "evil.example" not in left.headers["location"]
    browser = house.browser()
    back = browser.get(house.there(browser) + "&next=https://evil.example&return_to=//evil.example")
    assert back.status_code == 200
    assert "evil.example" not in back.text
    assert house.browser().get("/login/oidc/callback?state=a&state=b").status_code == 400


def test_whoever_comes_back_in_vain_too_often_waits_and_others_do_not(house: House) -> None:
    for _ in range(40):
        assert house.browser().get("/login/oidc/callback?state=x&code=y").status_code == 422
    assert house.signed_in().status_code == 200, "another site's pictures close nobody's door"
    for _ in range(IN_ALL):
        assert house.signed_in(groups=[]).status_code == 422
    assert house.browser().get("/login/oidc").status_code == 429
    house.now += timedelta(minutes=16)
    assert house.signed_in().status_code == 200


def test_a_console_without_a_provider_has_no_such_pages(tmp_path: Path) -> None:
    _bare(tmp_path)
    console = open_console(read(tmp_path))
    with serving(console), Browser(console.configuration.origin) as client:
        assert client.get("/login/oidc").status_code == 404
        assert client.get("/login/oidc/callback").status_code == 404
        assert "/login/oidc" not in client.get("/login").text


def _bare(folder: Path) -> None:
    (folder / "console.toml").write_text(f'address = "127.0.0.1:{free_port()}"', encoding="utf-8")
    (folder / "profiles.toml").write_text("", encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issuer": "http://login.example"}, "https"),
        ({"issuer": "https://user@login.example"}, "https"),
        ({"issuer": 7}, "strings"),
        ({"second_factor": []}, "attest"),
        ({"second_factor": ["mfa"]}, "attest"),
        ({"second_factor": ["groups=x"]}, "attest"),
        ({"roles": {}}, "which role"),
        ({"roles": {"x": "emperor bank_a"}}, "a role and a profile"),
        ({"roles": {"x": "analyst"}}, "a role and a profile"),
        ({"roles": {"x": "administrator bank_a"}}, "a role and a profile"),
        ({"hosts": "login.example"}, "lists"),
        ({"scope": "x"}, "not a setting"),
        ({"client_id": None}, "strings"),
    ],
)
def test_a_provider_that_cannot_be_right_is_refused(change: dict[str, object], said: str) -> None:
    table: dict[str, object] = {
        "issuer": "https://login.example", "client_id": "c", "claim": "groups", "second_factor": ["amr=mfa"],
        "roles": {"x": "analyst bank_a"},
    }  # fmt: skip
    assert parse({"oidc": table}, Path("/srv")).provider is not None
    with pytest.raises(Misused, match=said):
        parse({"oidc": table | change}, Path("/srv"))


def test_a_state_of_the_version_before_is_read(tmp_path: Path) -> None:
    """A console that was installed before there were providers and passkeys keeps its accounts."""
    _bare(tmp_path)
    engine = create_engine(f"sqlite:///{tmp_path / 'console.db'}")
    with engine.begin() as connection:
        for statement in VERSION_1:
            connection.execute(text(statement))
    engine.dispose()
    store = open_console(read(tmp_path)).doors.store
    assert [(one.name, one.subject) for one in store.accounts()] == [("zhao.lei", "")]
    store.add(Account("b", Role.ANALYST, "x", True, False, datetime.now(UTC), "s"), "")
    store.close()
    assert len(open_console(read(tmp_path)).doors.store.accounts()) == 2


VERSION_1 = (
    "CREATE TABLE accounts (name TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, profile TEXT NOT NULL, "
    "password TEXT NOT NULL, second_factor BLOB, last_step INTEGER NOT NULL, enrolled BOOLEAN NOT NULL, "
    "locked BOOLEAN NOT NULL, created TEXT NOT NULL)",
    "CREATE TABLE sessions (digest TEXT NOT NULL PRIMARY KEY, account TEXT NOT NULL, stage TEXT NOT NULL, "
    "csrf TEXT NOT NULL, pending BLOB, created TEXT NOT NULL, seen TEXT NOT NULL)",
    "INSERT INTO accounts VALUES ('zhao.lei', 'administrator', '', 'x', NULL, 0, 1, 0, '2026-07-01T00:00:00+00:00')",
    "PRAGMA user_version = 1",
)
