"""A synthetic city for demonstrations, tests and benchmarks: sixteen tables of departments, a bank and the platform.

    world = generate(persons=5_000, out=Path("world"))

Every identifier in it is valid in form and unassigned by construction; nothing in it is about anybody.
What the tables promise is in docs/reference/world.md.
"""

from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.generator import Progress, World, build, generate
from louver_sandbox.demo.world.schema import SCHEMAS, TABLES, VIEWS, views_sql

__all__ = [
    "SCHEMAS",
    "TABLES",
    "VIEWS",
    "Blueprint",
    "Progress",
    "World",
    "build",
    "generate",
    "views_sql",
]
