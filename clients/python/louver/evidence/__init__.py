"""What a regulator is handed: the entries of some time with their proofs, and a report that follows from them.

* ``scope``       which entries
* ``compliance``  the report: counts that follow from those entries alone, in Chinese and English
* ``paths``       the proofs of many entries under one head
* ``pack``        making the file
* ``checking``    verifying it, with nothing but this package and the log's public key
"""

from louver.evidence.checking import Checked, verify_pack
from louver.evidence.pack import make_pack
from louver.evidence.scope import Scope

__all__ = ["Checked", "Scope", "make_pack", "verify_pack"]
