"""What the kernel takes from a process that runs strangers' questions, layer by layer.

Each module is one layer or a few that belong together, with what puts it on and what tries the forbidden act:

- `kernel`: the system calls that Python has no name for;
- `namespaces`, `file_tree`, `capabilities`: put on by a zygote, once for all of its children;
- `landlock`: the files of one job, put on by the child when it knows them;
- `system_calls`, `profiles`: the filter of system calls, put on last, for all threads;
- `host`: what only whoever starts the service can give (its user, control groups, a read-only system);
- `confinement`: what one kind of process is confined to, and the order in which layers go on;
- `layers`, `probe`, `levels`: every layer by name, whether it holds on this host, and the level that makes.

See SECURITY section 3 and docs/reference/isolation.md.
"""
