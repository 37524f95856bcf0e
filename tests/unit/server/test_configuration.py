"""The console's configuration: nothing it does not know, and no plain HTTP but on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from louver.failures import Misused
from louver_server.configuration import parse, read
from louver_server.connections import Connections

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
