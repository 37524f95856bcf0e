"""Alerts on patterns in the log: rules in YAML, a follower that reads the log and remembers where it stands, outputs.

* ``reading``    YAML without what could expand, and where in it each value stands
* ``forms``      the fields of rules, from which both the check and the JSON Schema are made
* ``rules``      rules as values
* ``events``     what an entry says that rules may ask about
* ``shapes``     statements as sets of words, so that two that differ by a predicate are known to be neighbours
* ``patterns``   what each pattern remembers, and when it speaks
* ``memory``     the follower's file: how far it is, what patterns remember, which alerts there are
* ``engine``     entries in, alerts out
* ``trying``     the tests that stand with a rule
* ``following``  the log's entries, proved to be all and in order
* ``outputs``    OCSF JSON Lines, syslog, webhook

An alert states a rule and entries, never data, SQL or a request's parameters.
"""
