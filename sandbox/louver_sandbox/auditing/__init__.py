"""What auditors do with the log: search, read whole entries, follow, replay, see what was spent, witness.

* ``tables``      what is searched by, derived from the log and never believed over it
* ``described``   what of an entry is searched by
* ``texts``       the SQL as auditors see it, and its words
* ``index``       following the log
* ``search``      finding entries, and counting them by what they say
* ``timeline``    counting them by the day or the hour
* ``replay``      making a decision again
* ``replayer``    the process in which that is done for a service
* ``spending``    what was spent, day by day
* ``witnesses``   the cosignatures that stand under checkpoints
"""
