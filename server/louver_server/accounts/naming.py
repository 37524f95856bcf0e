"""What an account may be called."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"(?!operator$)[a-z][a-z0-9._-]{1,39}")
"""`operator` is whom the journal names for what is done on the console's own machine."""
