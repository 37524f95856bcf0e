"""What a publisher raises when it cannot build a snapshot as declared."""

from __future__ import annotations


class PublishRefused(Exception):
    """The snapshot cannot be built as declared. The message counts, and never shows a value."""
