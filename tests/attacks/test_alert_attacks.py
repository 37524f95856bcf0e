"""Whoever can write an institution's name or a purpose into the log, run a name server or answer a webhook, tries to
forge lines in another system, to reach what only the follower's machine can reach, or to keep alerts from leaving.

Stopped by: what others have chosen is made visible and escaped by each format's own rules; receivers are allowed by
whoever runs the follower, resolved once and reached at the address that was looked at; redirections are not followed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.receivers import Receiver
from tests.support.watched import ALERT, BURST

from louver.alerts import posting
from louver.alerts.addresses import NotAllowed, chosen, networks
from louver.alerts.engine import Engine
from louver.alerts.events import event_of
from louver.alerts.formats import MOST_SYSLOG, ocsf, ocsf_line, syslog
from louver.alerts.memory import Alert, Memory
from louver.alerts.outputs import SIGNATURE, NotTaken, Output, deliver, parse
from louver.alerts.rules import parse as parse_rules
from louver.failures import Misused

EVIL = 'bank_a"] forged="1"]\n<0>1 - evil - - - -\r\n\x1b[2J\u202e\u2028{"class_uid":1}'


def alert_about(institution: str) -> Alert:
    """The alert that the engine makes of what somebody has called an institution."""
    kept = Memory.passing()
    engine = Engine(parse_rules(BURST), kept, "louver.example/log", b"k")
    found: list[Alert] = []
    for index in range(5):
        fields = {"kind": "refusal", "institution": institution, "index": index, "time": "2026-07-01T00:00:00Z"}
        found += engine.take(event_of(fields))
    kept.close()
    return found[0]


SYSLOG = re.compile(
    r'<(\d+)>1 \S+ \S+ louver - (\S+) \[louver@32473((?: \w+="(?:[^"\\\]]|\\["\\\]])*")+)\] \ufeff([^\x00-\x1f\x7f]*)'
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(min_size=1), st.just(EVIL)))
def test_no_name_makes_a_second_line_or_field(name: str) -> None:
    if not event_of({"institution": name}).said["institution"]:
        return
    alert = alert_about(name)
    told = syslog(alert, "host name\n").decode()
    found = SYSLOG.fullmatch(told)
    assert found is not None, told
    assert found[1] == str(13 * 8 + 3)
    assert len(re.findall(r' (\w+)="', found[3])) <= 7, "a field more than was written"
    line = ocsf_line(alert)
    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(line)["class_uid"] == 2004


def test_a_message_is_cut_to_what_receivers_take() -> None:
    long = replace(ALERT, title="多" * 9000)
    assert len(syslog(long, "h")) <= MOST_SYSLOG
    syslog(long, "h").decode()


def test_ocsf_says_what_a_detection_finding_must() -> None:
    said = ocsf(ALERT)
    assert said["type_uid"] == said["class_uid"] * 100 + said["activity_id"]
    assert said["time"] == 1782864060000
    assert {"product", "version"} <= said["metadata"].keys()
    assert {"uid", "title", "analytic"} <= said["finding_info"].keys()
    assert said["evidences"][0]["data"]["entries"][0] == {"log": "louver.example/log", "entry": 1}
    assert "sql" not in json.dumps(said).lower()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.7", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1",
        "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "2002:a00:1::", "2001:db8::1", "not an address", "",
    ],
)  # fmt: skip
def test_no_address_of_ones_own_is_reached(address: str) -> None:
    with pytest.raises(NotAllowed):
        chosen("hooks.example", 443, (), lambda host, port: [address])
    with pytest.raises(NotAllowed):
        chosen("hooks.example", 443, (), lambda host, port: ["93.184.215.14", address])


def test_public_addresses_and_named_networks_are_reached() -> None:
    assert chosen("h", 1, (), lambda host, port: ["93.184.215.14"]) == "93.184.215.14"
    assert chosen("h", 1, networks(["10.20.0.0/16"]), lambda host, port: ["10.20.3.4"]) == "10.20.3.4"
    with pytest.raises(NotAllowed):
        chosen("h", 1, networks(["10.20.0.0/16"]), lambda host, port: ["10.21.3.4"])
    with pytest.raises(NotAllowed):
        chosen("h", 1, (), lambda host, port: [])
    with pytest.raises(Misused):
        networks(["10.20.0.1/16"])


@pytest.mark.parametrize(
    "target",
    [
        "http://hooks.example/x", "file://host/x", "gopher://h/", "https://", "https://user:pw@h/", "https://h\r\n/",
        "https://h /", "https://h:99999/", "https://h/#x", "https://h\\@other/", "https://[::1", "ftp://h",
    ],
)  # fmt: skip
def test_targets_are_https_and_plain(target: str, tmp_path: Path) -> None:
    with pytest.raises(Misused):
        parse(f"outputs: [{{name: hook, kind: webhook, target: {json.dumps(target)}}}]", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "x", "outputs: x", "outputs: [x]", "outputs: [{kind: pigeon, name: a}]", "outputs: [{kind: file, name: a}]",
        "outputs: [{kind: file, name: a, path: x, target: y}]", "outputs: [{kind: file, name: A!, path: x}]",
        "outputs: [{kind: file, name: a, path: x}, {kind: file, name: a, path: y}]",
        "outputs: [{kind: syslog, name: a, target: 'tls://h'}]",
        "outputs: [{kind: syslog, name: a, target: 'udp://h:1/x'}]",
        "outputs: [{kind: webhook, name: a, target: 'https://h/', secret: nowhere}]", "outputs: &a [*a]",
    ],
)  # fmt: skip
def test_outputs_that_are_none_are_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(Misused):
        parse(text, tmp_path)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    found = Receiver(tmp_path)
    yield found
    found.close()


def hook(receiver: Receiver, host: str = "hooks.example", inside: str = "127.0.0.0/8") -> Output:
    target = f"https://{host}:{receiver.port}/louver?a=1"
    return Output("hook", "webhook", target, networks([inside] if inside else []), receiver.ca, b"0123456789abcdef")


def here(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


def test_a_webhook_takes_a_signed_alert(receiver: Receiver) -> None:
    hook(receiver).send(ALERT, here)
    ((path, headers, body),) = receiver.taken
    assert path == "/louver?a=1"
    assert headers["Host"].startswith("hooks.example")
    assert json.loads(body) == ocsf(ALERT)
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"0123456789abcdef", body, hashlib.sha256).hexdigest()


def test_a_name_that_leads_inside_is_not_called(receiver: Receiver) -> None:
    with pytest.raises(NotTaken, match="not one where alerts may be sent"):
        hook(receiver, inside="").send(ALERT, here)
    assert receiver.taken == []


def test_a_name_server_that_changes_its_mind_changes_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is allowed, any further one would lead elsewhere. There is none."""
    asked: list[str] = []

    def once(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    def never(host: str, *rest: object, **more: object) -> object:
        assert host == "127.0.0.1", "a name was resolved again"
        return real(host, *rest, **more)

    real: Callable[..., object] = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", never)
    hook(receiver).send(ALERT, once)
    assert asked == ["hooks.example"]
    assert len(receiver.taken) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirection_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.status, receiver.headers = status, {"location": f"https://hooks.example:{receiver.port}/inner"}
    with pytest.raises(NotTaken, match=f"status {status}"):
        hook(receiver).send(ALERT, here)
    assert len(receiver.taken) == 1


def test_a_certificate_of_another_name_or_authority_is_not_trusted(receiver: Receiver) -> None:
    with pytest.raises(NotTaken, match="certificate"):
        hook(receiver, "other.example").send(ALERT, here)
    with pytest.raises(NotTaken, match="certificate"):
        replace(hook(receiver), ca=None).send(ALERT, here)
    assert receiver.taken == []


def test_whoever_answers_a_byte_at_a_time_is_left(
    receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posting, "TIMEOUT_S", 0.3)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        target = f"https://hooks.example:{silent.getsockname()[1]}/"
        with pytest.raises(NotTaken, match="cannot be reached"):
            replace(hook(receiver), target=target).send(ALERT, here)


def kept(path: Path, alerts: int) -> Memory:
    made = Memory.open(path)
    with made.transaction():
        position = made.begin("o")
        made.keep(replace(position, proven=100))
        for number in range(alerts):
            made.add(replace(ALERT, id=f"{number:032}", entries=(number,)))
    return made


def test_a_receiver_that_fails_hears_everything_later_and_keeps_no_other_waiting(
    receiver: Receiver, tmp_path: Path
) -> None:
    memory = kept(tmp_path / "a.db", 5)
    file = parse("outputs: [{name: file, kind: file, path: alerts.jsonl}]", tmp_path)
    receiver.status = 500
    both = (hook(receiver), *file)
    assert deliver(both, memory, here) == {"hook": "it has answered with status 500"}
    assert deliver(both, memory, here) == {"hook": "it has answered with status 500"}
    assert [failures for _, _, failures in memory.outputs()] == [0, 2]
    receiver.status, receiver.taken = 200, []
    assert deliver(both, memory, here) == {}
    told = [json.loads(body)["metadata"]["uid"] for _, _, body in receiver.taken]
    lines = (tmp_path / "alerts.jsonl").read_text().splitlines()
    assert told == [f"{number:032}" for number in range(5)]
    assert [json.loads(line)["metadata"]["uid"] for line in lines] == told, "each once, in order"
    memory.close()


def test_a_file_that_is_a_link_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("")
    (tmp_path / "alerts.jsonl").symlink_to(tmp_path / "victim")
    (file,) = parse("outputs: [{name: file, kind: file, path: alerts.jsonl}]", tmp_path)
    with pytest.raises(NotTaken):
        file.send(ALERT)
    assert (tmp_path / "victim").read_text() == ""


@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_syslog_receivers_take_whole_messages(scheme: str) -> None:
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with closing(socket.socket(socket.AF_INET, kind)) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        output = Output("soc", "syslog", f"{scheme}://siem.example:{port}", networks(["127.0.0.0/8"]), None, b"")
        if scheme == "udp":
            output.send(ALERT, here)
            told = listening.recv(65_535)
        else:
            listening.listen()
            output.send(ALERT, here)
            taken, _ = listening.accept()
            with closing(taken):
                framed = taken.makefile("rb").read()
            size, _, told = framed.partition(b" ")
            assert int(size) == len(told)
    assert SYSLOG.fullmatch(told.decode())
    with pytest.raises(NotTaken):
        replace(output, networks=()).send(ALERT, here)
