"""Each value of the line is constructed in one place only, so that holding one proves its stage (law 5).

The one other way into being is `codec.decode`, for values that a checker or the store hands back.
"""

import ast

from tests.support.modules import modules

MAKERS = {
    "Parsed": {"sql/parse.py"},
    "Bound": {"sql/bind.py"},
    "Admitted": {"policy/decide.py", "policy/lookups.py"},
    "Plan": {"plan/plan.py"},
    "Committed": {"commit.py"},
    "Stored": {"commit.py"},
    "Execution": {"release/decode.py"},
    "Release": {
        "release/release.py",
        "release/exact.py",
        "release/threshold.py",
        "release/private.py",
        "release/authorised.py",
        "release/again.py",
    },
    "Answer": {"release/encode.py"},
    "Receipted": {"pipeline.py"},
    "Verdict": {"checker.py"},
    "RefusalRecord": {"checker.py"},
    "Refused": {"refusals/base.py", "checker.py"},
    "Fault": {"pipeline.py", "match_line.py", "token_line.py", "scoring/line.py"},
    "LookupRules": {"policy/lookups.py"},
    "LookupPlan": {"plan/lookups.py"},
    "ScoreRules": {"policy/scoring.py"},
    "FeaturePlan": {"plan/features.py"},
    "ScorePlan": {"plan/features.py"},
    "ScoreVerdict": {"checker.py"},
    "Order": {"scoring/line.py"},
    "Paid": {"match_commit.py", "token_line.py", "scoring/commit.py"},
}
HOMES = ("louver_sandbox.stages", "louver.errors")


def makers() -> dict[str, set[str]]:
    """Where each value of the line is constructed, whether by its name or through its module."""
    found: dict[str, set[str]] = {name: set() for name in MAKERS}
    for path, nodes in modules():
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            match node.func:
                case ast.Name(id=name) | ast.Attribute(attr=name, value=ast.Name(id="stages" | "errors")):
                    if name in found:
                        found[name].add(path)
    return found


def test_each_value_has_one_maker() -> None:
    for name, places in makers().items():
        strangers = places - MAKERS[name]
        assert not strangers, f"{sorted(strangers)} makes {name}"
        assert places, f"nothing makes {name}"


def test_no_value_goes_by_another_name() -> None:
    for path, nodes in modules():
        for node in nodes:
            if isinstance(node, ast.ImportFrom) and node.module in HOMES:
                renamed = [alias.name for alias in node.names if alias.asname and alias.name in MAKERS]
                assert not renamed, f"{path} renames {renamed}"
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name):
                assert node.value.id not in MAKERS, f"{path} gives {node.value.id} another name"


def test_only_the_codec_makes_values_whose_class_it_does_not_name() -> None:
    registries = {
        path for path, nodes in modules() for node in nodes if isinstance(node, ast.Name) and node.id == "REGISTRY"
    }
    assert registries == {"codec.py"}
