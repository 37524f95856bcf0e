"""How long the log keeps what its entries say, and who may end that sooner or stop it.

* ``holds``      legal holds, read from the log itself
* ``pruning``    emptying entries: by their age, or by two officers' order
* ``orders``     what officers sign to have a request's entries redacted
"""
