"""The demo city with policies that ask for noise."""

from __future__ import annotations

from louver_sandbox.demo.city import City
from louver_sandbox.operator.installation import activate, development_keys

NOISE = "noise: {method: cell-key, rounding: {mode: random, base: 5}, sums: {share: 2}}"


def ask_for_noise(city: City) -> None:
    """Rewrites every policy of the installation and puts them in force; the snapshots stay good."""
    for file in (city.settings.home / "policies").glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("noise: none", NOISE), encoding="utf-8")
    activate(city.settings, [city.settings.home / "policies"], development_keys(city.settings))
