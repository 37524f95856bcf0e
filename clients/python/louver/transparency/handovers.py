"""The keys of a log as whoever verifies all of it learns them: from its heads, and from the entries that say so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from louver.errors import Unproven
from louver.transparency.checkpoint import Checkpoint, TreeHead
from louver.transparency.note import VerifierKey
from louver.transparency.succession import FIELD, KIND, LogKey, Succession


class Handovers:
    """What is known of a log's keys, by a verifier who pins one of them."""

    def __init__(self, key: LogKey) -> None:
        self.key = key
        self._said: set[str] = set()
        self._signed: dict[VerifierKey, int] = {}

    def verify(self, checkpoint: Checkpoint) -> TreeHead:
        """The head, once the key that may sign it is known to have done so. Raises ``Unproven``."""
        self.key = self.key.learnt_from(checkpoint.note)
        head = checkpoint.verify(self.key)
        signer = self.key.key_at(head.size)
        self._signed[signer] = max(head.size, self._signed.get(signer, 0))
        return head

    def entry(self, index: int, fields: Mapping[str, object], root: Callable[[], bytes]) -> Iterator[str]:
        """What is wrong with an entry that says that the key changed; ``root`` is that of all entries before it."""
        if fields.get("kind") != KIND:
            return
        try:
            found = Succession.from_note(str(fields.get(FIELD)).encode(errors="replace"))
            self.key = self.key.learn([found])
        except Unproven as unproven:
            yield f"entry {index}: the log's key does not change by it: {unproven.message}"
            return
        if all(found.text != known.text for known in self.key.successions):
            yield f"entry {index}: a key hands over by it that is not the log's"
        elif (found.size, found.root) != (index, root()):
            yield f"entry {index}: the key that hands over by it did so at another place"
        self._said.add(found.text)

    def unsaid(self, size: int) -> Iterator[tuple[int, str]]:
        """Which changes of the key among the first ``size`` entries no entry says, and which key signed after it had
        retired; with the first entry concerned."""
        for one in self.key.successions:
            if one.size < size and one.text not in self._said:
                yield one.size, f"entry {one.size}: the log's key changed here, and it does not say so"
            if (last := self._signed.get(one.old, 0)) > one.size:
                yield (
                    one.size,
                    f"stolen key: {one.old.id.hex()} signed a head over {last} entries, retired after {one.size}",
                )
