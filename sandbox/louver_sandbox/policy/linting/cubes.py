"""Whether a cube could be published at all, by the decision that would be asked, before officers approve it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from louver.errors import Refused
from louver_sandbox.algebra.types import TableName
from louver_sandbox.catalog.model import Catalog
from louver_sandbox.policy.bundle import Bundle
from louver_sandbox.policy.cubes import PUBLISHER, Cube
from louver_sandbox.policy.decide import decide
from louver_sandbox.policy.floors import Finding
from louver_sandbox.policy.grants import PUBLISHING, Rulebook
from louver_sandbox.policy.model import Policy
from louver_sandbox.policy.visible import visible
from louver_sandbox.refusals import cubes as refuse
from louver_sandbox.sql.bind import bind
from louver_sandbox.sql.parse import parse
from louver_sandbox.stages import Facts, Request, Treatment


def cube_findings(policy: Policy, rulebook: Rulebook, catalog: Catalog, today: date) -> Iterator[Finding]:
    """Cubes whose question is refused, or would be answered without noise."""
    granting = {permit.policy.id: permit.policy for permits in rulebook.permits.values() for permit in permits}
    bundle = Bundle(rulebook.platform, tuple({**granting, policy.id: policy}.values()), "")
    for place, cube in enumerate(policy.cubes):
        table = catalog.table(TableName(*cube.table.split(".")))
        if table is not None and table.owner != policy.owner:
            taken = refuse.cube_taken(cube.table)
            at = ("cubes", place, "id")
            yield Finding(at, taken.message, taken.message_zh, taken.hint, taken.hint_zh, "cube-unanswerable")
        if (found := _problem(policy, cube, bundle, catalog, today)) is not None:
            says, says_zh, hint, hint_zh = found
            yield Finding(("cubes", place, "read"), says, says_zh, hint, hint_zh, "cube-unanswerable")


def _problem(
    policy: Policy, cube: Cube, bundle: Bundle, catalog: Catalog, today: date
) -> tuple[str, str, str, str] | None:
    request = Request("lint", PUBLISHING, cube.purpose, cube.statement)
    try:
        admitted = decide(bind(parse(request), visible(catalog, bundle, PUBLISHING)), bundle, Facts(today))
    except Refused as refused:
        return (
            f"{cube.name} cannot be published: {refused.message}",
            f"{cube.name} 无法发布：{refused.message_zh}",
            refused.hint,
            refused.hint_zh,
        )
    if admitted.treatment is not Treatment.DP:
        return (
            f"{cube.name} would be published without noise",
            f"{cube.name} 将不加噪发布",
            f"grant its columns to {PUBLISHER} with treatment dp",
            f"请以 dp 方式将所读各列授权给 {PUBLISHER}",
        )
    read = {catalog.tables[use.table].name: catalog.tables[use.table] for use in admitted.grants}
    if rules := bundle.rulebook.withheld(policy, cube, read.values(), today):
        withheld = refuse.cube_withheld(cube.name, rules)
        return withheld.message, withheld.message_zh, withheld.hint, withheld.hint_zh
    return None
