"""Where alerts go: a file of OCSF lines, a syslog receiver, a webhook. Each hears every alert at least once, in
order.

    outputs:
      - {name: siem, kind: file, path: alerts.jsonl}
      - {name: soc, kind: syslog, target: "tls://siem.example.gov.cn:6514"}
      - {name: chat, kind: webhook, target: "https://hooks.example.gov.cn/louver", secret: hook.secret,
         networks: [10.20.0.0/16]}

The file is written by whoever runs the follower; rules, which others write, name no output. A receiver's name must
be in the target itself, its addresses are looked at (``addresses``), it is spoken to by TLS with its certificate
checked, and an answer that sends elsewhere is a failure.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import os
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from louver.alerts.addresses import Network, NotAllowed, Resolve, chosen, networks, resolve
from louver.alerts.formats import ocsf_line, syslog
from louver.alerts.memory import Alert, Memory
from louver.alerts.posting import TIMEOUT_S, post, trust
from louver.alerts.reading import NotRead, Tree, read
from louver.failures import Misused

SIGNATURE: Final = "Louver-Signature"
"""Header of a webhook: `sha256=` and the HMAC of the body under the secret."""
_KEYS: Final = {
    "file": ({"path"}, set[str]()),
    "syslog": ({"target"}, {"networks", "ca"}),
    "webhook": ({"target"}, {"networks", "ca", "secret"}),
}


class NotTaken(Exception):
    """A receiver has not taken an alert; the text says why in our words."""


@dataclass(frozen=True, slots=True)
class Output:
    """One receiver. ``id`` names it and its target: another target has everything still to hear."""

    name: str
    kind: str
    target: str
    networks: tuple[Network, ...]
    ca: Path | None
    secret: bytes

    @property
    def id(self) -> str:
        return f"{self.name} {hashlib.sha256(f'{self.kind} {self.target}'.encode()).hexdigest()[:12]}"

    def send(self, alert: Alert, look_up: Resolve = resolve) -> None:
        """Tells one alert. Raises ``NotTaken``."""
        try:
            if self.kind == "file":
                _append(Path(self.target), ocsf_line(alert))
            elif self.kind == "syslog":
                _send_syslog(self, syslog(alert, socket.gethostname()), look_up)
            else:
                _post(self, ocsf_line(alert).encode(), look_up)
        except NotAllowed:
            raise NotTaken("its address is not one where alerts may be sent") from None
        except ssl.SSLCertVerificationError:
            raise NotTaken("its certificate is not trusted") from None
        except (OSError, http.client.HTTPException):
            raise NotTaken("it cannot be reached") from None


def parse(text: str, folder: Path) -> tuple[Output, ...]:
    """The outputs of a file whose relative paths are of ``folder``. Raises ``Misused``."""
    try:
        tree = read(text).tree
    except NotRead as not_read:
        raise Misused(f"the outputs cannot be read: {not_read}") from None
    given = tree.get("outputs") if isinstance(tree, dict) and tree.keys() == {"outputs"} else None
    if not isinstance(given, list):
        raise Misused("the file of outputs has one key, `outputs`, with a list")
    found = tuple(_output(item, folder) for item in given)
    if len({one.name for one in found}) < len(found):
        raise Misused("two outputs have one name")
    return found


def _output(item: Tree, folder: Path) -> Output:
    kind = item.get("kind") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(kind, str) or kind not in _KEYS:
        raise Misused(f"an output's kind is {', '.join(_KEYS)}")
    needed, allowed = _KEYS[kind]
    if not needed <= item.keys() <= needed | allowed | {"name", "kind"} or "name" not in item:
        more = ", ".join(sorted(allowed)) or "no more"
        raise Misused(f"a {kind} has name, kind, {', '.join(sorted(needed))} and may have {more}")
    texts = {name: value for name, value in item.items() if isinstance(value, str)}
    inside = item.get("networks", [])
    if item.keys() - texts.keys() - {"networks"} or not isinstance(inside, list):
        raise Misused("every field of an output is a text but `networks`, a list")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", texts["name"], re.ASCII):
        raise Misused("an output's name has lower-case letters, digits and _")
    target = str(folder / texts["path"]) if kind == "file" else _checked(kind, texts["target"])
    secret = _secret(folder / texts["secret"]) if "secret" in texts else b""
    ca = folder / texts["ca"] if "ca" in texts else None
    return Output(texts["name"], kind, target, networks([str(one) for one in inside]), ca, secret)


def _checked(kind: str, target: str) -> str:
    schemes = {"syslog": ("tls", "tcp", "udp"), "webhook": ("https",)}[kind]
    try:
        parts = urlsplit(target)
        port = parts.port
    except ValueError:
        raise Misused(f"the target of a {kind} is no address") from None
    plain = target.isascii() and target.isprintable() and " " not in target and "\\" not in target
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None or not plain or parts.fragment:
        raise Misused(f"the target of a {kind} begins with {'://, '.join(schemes)}:// and names a host, no user")
    if kind == "syslog" and (port is None or parts.path or parts.query):
        raise Misused("the target of a syslog is SCHEME://HOST:PORT")
    return target


def _secret(path: Path) -> bytes:
    try:
        found = path.read_bytes().strip()
    except OSError:
        raise Misused(f"cannot read {path}") from None
    if len(found) < 16:
        raise Misused("a webhook's secret has 16 bytes at least")
    return found


def deliver(outputs: Sequence[Output], memory: Memory, look_up: Resolve = resolve) -> Mapping[str, str]:
    """Tells every output what it has not heard, of what lies under a signed head; gives those that have not taken
    all, and why. One that does not answer keeps no other waiting for longer than its time."""
    position = memory.position()
    proven = position.proven if position else 0
    failed: dict[str, str] = {}
    for output in outputs:
        try:
            while waiting := memory.untold(output.id, proven):
                for number, alert in waiting:
                    output.send(alert, look_up)
                    memory.told(output.id, number)
        except NotTaken as not_taken:
            memory.failed(output.id)
            failed[output.name] = str(not_taken)
    return failed


def _append(path: Path, line: str) -> None:
    """A line at the end of a file, on the disk when it returns."""
    opened = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.write(opened, line.encode())
        os.fsync(opened)
    finally:
        os.close(opened)


def _send_syslog(output: Output, message: bytes, look_up: Resolve) -> None:
    """UDP as RFC 5426 has it, TCP with its length before it (RFC 6587), TLS likewise (RFC 5425)."""
    parts = urlsplit(output.target)
    host, port = str(parts.hostname), int(parts.port or 0)
    address = chosen(host, port, output.networks, look_up)
    if parts.scheme == "udp":
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as datagram:
            datagram.sendto(message, (address, port))
        return
    with socket.create_connection((address, port), TIMEOUT_S) as plain:
        framed = b"%d " % len(message) + message
        if parts.scheme == "tcp":
            plain.sendall(framed)
            return
        with trust(output.ca).wrap_socket(plain, server_hostname=host) as secured:
            secured.sendall(framed)


def _post(output: Output, body: bytes, look_up: Resolve) -> None:
    headers = {"content-type": "application/json"}
    if output.secret:
        headers[SIGNATURE] = "sha256=" + hmac.new(output.secret, body, hashlib.sha256).hexdigest()
    status = post(output.target, body, headers, output.networks, trust(output.ca), look_up)
    if not 200 <= status < 300:
        # A redirection is not followed: what is behind it was not looked at.
        raise NotTaken(f"it has answered with status {status}")
