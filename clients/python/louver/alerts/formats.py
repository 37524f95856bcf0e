"""Alerts as others read them: OCSF 1.3 Detection Finding (class 2004) as JSON, syslog RFC 5424.

Everything that others have chosen (names of purposes and institutions) has been made visible and cut when the alert
was made, and is escaped again here by the rules of each format, so that none of it is a line, a field or a key.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from louver._version import __version__
from louver.alerts.memory import Alert
from louver.display import visible

OCSF: Final = "1.3.0"
_SEVERITY: Final = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
_SYSLOG_SEVERITY: Final = {"informational": 6, "low": 5, "medium": 4, "high": 3, "critical": 2}
FACILITY: Final = 13
"""Log audit (RFC 5424, 6.2.1)."""
SD_ID: Final = "louver@32473"
"""32473 is the enterprise number for documentation (RFC 5612): the project has none of its own."""
MOST_SYSLOG: Final = 8192
"""Bytes of a message; receivers should take so many (RFC 5425, 4.3.1)."""


def milliseconds(time: str) -> int:
    """POSIX milliseconds of an RFC 3339 time, 0 for none."""
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0


def ocsf(alert: Alert) -> dict[str, Any]:
    """The alert as an OCSF Detection Finding."""
    entries = [{"log": alert.origin, "entry": index} for index in alert.entries]
    return {
        "activity_id": 1,
        "activity_name": "Create",
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "type_uid": 200401,
        "severity_id": _SEVERITY[alert.severity],
        "severity": alert.severity.capitalize(),
        "status_id": 1,
        "time": milliseconds(alert.last),
        "count": max(alert.count, 1),
        "message": alert.title,
        "metadata": {
            "version": OCSF,
            "uid": alert.id,
            "log_name": alert.origin,
            "product": {"name": "Louver", "vendor_name": "Louver", "version": __version__},
        },
        "finding_info": {
            "uid": alert.id,
            "title": alert.title,
            "desc": f"{alert.title} / {alert.title_zh}",
            "created_time": milliseconds(alert.last),
            "first_seen_time": milliseconds(alert.first),
            "last_seen_time": milliseconds(alert.last),
            "analytic": {"type_id": 1, "type": "Rule", "name": alert.rule, "uid": alert.wording},
        },
        "evidences": [{"data": {"entries": entries, "count": alert.count}}],
        "unmapped": {"about": alert.about},
    }


def ocsf_line(alert: Alert) -> str:
    """The same as one line of ASCII JSON: no character in it ends a line for any reader."""
    return json.dumps(ocsf(alert), separators=(",", ":")) + "\n"


def syslog(alert: Alert, hostname: str) -> bytes:
    """The alert as one RFC 5424 message. Structured data say rule, entries and whom it is about, the text its
    title."""
    priority = FACILITY * 8 + _SYSLOG_SEVERITY[alert.severity]
    time = alert.last if milliseconds(alert.last) else "-"
    values = {
        "id": alert.id,
        "rule": alert.rule,
        "log": alert.origin,
        "count": str(alert.count),
        "entries": ",".join(map(str, alert.entries)),
        **{f"about_{name}": value for name, value in alert.about.items()},
    }
    params = " ".join(f'{name}="{_param(value)}"' for name, value in values.items())
    header = f"<{priority}>1 {time} {_name(hostname, 255)} louver - {_name(alert.rule, 32)}"
    message = f"{header} [{SD_ID} {params}] \ufeff{visible(alert.title)}"
    return message.encode()[:MOST_SYSLOG].decode(errors="ignore").encode()


def _param(value: str) -> str:
    """A parameter's value: quote, backslash and bracket are escaped (RFC 5424, 6.3.3), nothing controls anything."""
    plain = visible(value)
    return plain.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _name(text: str, most: int) -> str:
    """Printable ASCII without spaces, or `-`."""
    return "".join(char for char in text if "!" <= char <= "~")[:most] or "-"
