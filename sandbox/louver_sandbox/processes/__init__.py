"""Processes that may be killed: how the service starts them, talks to them, limits them and counts them.

Untrusted text is parsed, and untrusted data is read, only in processes the service can kill at any moment
(SECURITY sections 3 and 5, rule 5). Nothing here knows SQL or an engine:

- `channel`: length-prefixed frames over a Unix socket, capped and with deadlines;
- `child`: what a child says: ready, then one answer per request, as bytes or as a failure from a closed list;
- `limits`: the ordered layers of confinement a child puts on before its entry function runs;
- `zygote`, `zygote_process`: a clean single-threaded interpreter that forks those children on request;
- `stock`, `pool`: ready children kept in stock, bounded and fair access to them, and their replacement.
"""
