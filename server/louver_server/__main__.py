"""``python -m louver_server``."""

from louver_server.command import main

main()
