"""What a version of a policy waits for, in the reader's language: the sandbox says it in English."""

from __future__ import annotations

import re
from typing import Final

from louver_server.languages import marked
from louver_server.rendering import Wording

_FORMS: Final = (
    (
        r"'(?P<officer>.+)', who submitted it, has not signed it",
        marked("%(officer)s, who submitted it, has not signed it."),
    ),
    (
        r"(?P<count>\d+) different officer keys of (?P<owner>.+) signed it; 2 are needed",
        marked("Officers of %(owner)s who have signed it: %(count)s; two are needed."),
    ),
    (
        r"(?P<count>\d+) officers other than the submitter signed it; L4 needs 2",
        marked("Officers besides the submitter who have signed it: %(count)s; L4 needs two."),
    ),
    (r"'(?P<officer>.+)' is no officer of (?P<owner>.+)", marked("%(officer)s is no officer of %(owner)s.")),
)


def told(said: str, words: Wording) -> str:
    """One thing that a version waits for; what has another form stays as it was said."""
    for form, text in _FORMS:
        if found := re.fullmatch(form, said):
            return words(text) % found.groupdict()
    return said
