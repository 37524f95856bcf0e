"""The console's configuration: nothing it does not know, and no plain HTTP but on this machine."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi import FastAPI, Request

from louver.failures import Misused
from louver_server.configuration import parse, read
from louver_server.connections import Connections
from louver_server.sessions import address

HOME = Path("/srv/console")


def test_defaults_serve_this_machine_alone() -> None:
    found = parse({}, HOME)
    assert (found.host, found.port, found.origin) == ("127.0.0.1", 8443, "http://127.0.0.1:8443")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"adress": "127.0.0.1:1"}, "not a setting"),
        ({"address": 8443}, "string"),
        ({"address": "127.0.0.1"}, "HOST:PORT"),
        ({"address": "127.0.0.1:0"}, "HOST:PORT"),
        ({"address": "127.0.0.1:99999"}, "HOST:PORT"),
        ({"address": "0.0.0.0:8443"}, "loopback"),
        ({"certificate": "a.pem"}, "together"),
        ({"trusted_proxy": "proxy.example"}, "one IP address"),
        ({"trusted_proxy": "10.0.0.0/8"}, "one IP address"),
        ({"trusted_proxy": ""}, "one IP address"),
        ({"origin": "http://console.example.gov.cn"}, "https"),
        ({"origin": "console.example.gov.cn"}, "as browsers write it"),
        ({"origin": "https://console.example.gov.cn/path"}, "as browsers write it"),
    ],
)
def test_what_cannot_be_right_is_refused(document: dict[str, object], said: str) -> None:
    with pytest.raises(Misused, match=said):
        parse(document, HOME)


def test_a_certificate_opens_other_addresses() -> None:
    found = parse(
        {"address": "0.0.0.0:443", "certificate": "c.pem", "key": "k.pem", "origin": "https://a.example"}, HOME
    )
    assert (found.certificate, found.public_host) == (HOME / "c.pem", "a.example")


@pytest.mark.parametrize(
    ("peer", "sent", "found"),
    [
        ("10.0.0.5", ["203.0.113.9"], "203.0.113.9"),
        ("::ffff:10.0.0.5", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.5", ["203.0.113.9", "1.1.1.1,2001:DB8::1"], "2001:db8::1"),
        ("10.0.0.5", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.6", ["203.0.113.9"], "10.0.0.6"),
        ("10.0.0.5", [], "10.0.0.5"),
        ("10.0.0.5", [""], "10.0.0.5"),
        ("10.0.0.5", ["203.0.113.9, "], "10.0.0.5"),
        ("10.0.0.5", ["203.0.113.9, unknown"], "10.0.0.5"),
        ("10.0.0.5", ["203.0.113.9:4711"], "10.0.0.5"),
        ("10.0.0.5", ["fe80::1%eth0"], "10.0.0.5"),
    ],
)
def test_the_trusted_proxys_last_hop_alone_is_where_somebody_comes_from(
    peer: str, sent: list[str], found: str
) -> None:
    assert address(_request(peer, sent, {"trusted_proxy": "10.0.0.5"})) == found
    assert address(_request(peer, sent, {})) == peer


def _request(peer: str, sent: list[str], document: dict[str, object]) -> Request:
    app = FastAPI()
    app.state.console = SimpleNamespace(configuration=parse(document, HOME))
    headers = [(b"x-forwarded-for", one.encode()) for one in sent]
    return Request({"type": "http", "app": app, "client": (peer, 1), "headers": headers})


def test_a_folder_without_configuration_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="no console"):
        read(tmp_path)
    (tmp_path / "console.toml").write_text("address = ", encoding="utf-8")
    with pytest.raises(Misused, match="TOML"):
        read(tmp_path)


def test_a_profile_without_the_logs_key_is_none_of_the_consoles(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text('[profiles.a]\ntarget = "h:1"\ncertificate = "c"\nkey = "k"\nca = "a"\n', encoding="utf-8")
    with pytest.raises(Misused, match="log_key"):
        Connections.of_file(path)
    with pytest.raises(Misused, match="no profile"):
        Connections({}).of("b")
