"""What every document is made of: names, texts, and the strict base of all parts."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, StringConstraints

from louver_sandbox.catalog.numbers import InDigits

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$")]
TableText = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\.[A-Za-z_][A-Za-z0-9_]*$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500)]
TableId = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}(@sha256:[0-9a-f]{64})?$")]
CubeName = Annotated[str, StringConstraints(pattern=r"^[^/]{1,200}/[a-z][a-z0-9-]{0,39}@[1-9][0-9]{0,3}$")]
"""A cube of a policy: `policy id/cube id@version`."""
TemplateName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}@[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}$")
]
PurposeCode = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]


class Document(InDigits):
    """The base of every part: frozen, and a key nobody declared is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
