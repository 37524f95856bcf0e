"""Eight million quarterly tax returns of a million firms and their registry, made by numpy: the demo's two tables.

Firms have the eighteen-character ids of the demo and revenues spread over five decades, so cells are neither all
alike nor all dominated. Same seed, same rows.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.support.city import tools
from louver_sandbox.demo.city import DECLARATIONS, City
from louver_sandbox.operator.installation import (
    activate,
    add_institution,
    copy_declarations,
    create,
    development_keys,
)
from louver_sandbox.operator.publishing import publish_all
from louver_sandbox.settings import load
from louver_sandbox.stages import InstitutionType

QUARTERS = tuple(date(2024 + (2 + i) // 4, 1 + 3 * ((2 + i) % 4), 1) for i in range(8))
TABLES = ("gov.tax_quarter", "gov.ent_registry")
POLICIES = Path(__file__).parent / "policies"
SEED = 20260701
SECTIONS = tuple("ABCDEFGHIJKLMNOPQRST")
DISTRICTS = ("370202", "370203", "370211", "370212", "370213", "370214", "370215", "370281", "370283", "370285")
PART_FIRMS = 250_000


@dataclass(frozen=True)
class Firms:
    """Where the Parquet parts of the two tables lie under the installation's data folder."""

    city: City
    rows: int


def build(
    home: Path,
    firms: int,
    obligations: str = "p_percent: 10",
    memory_mib: int = 1024,
    prepare: Callable[[Path], None] = lambda policies: None,
) -> Firms:
    """An installation with one bank and the two tables, not yet published; policies say `obligations` beside the
    thresholds and dominance, and what `prepare` writes into their folder. A worker may use `memory_mib`."""
    settings = create(home, "louver.dev/bench", "127.0.0.1", 0, tools())
    for name in TABLES:
        shutil.copyfile(DECLARATIONS / f"{name}.yaml", settings.catalog / f"{name}.yaml")
        (settings.data / name).mkdir()
    random = np.random.default_rng(SEED)
    rows = 0
    for part, first in enumerate(range(0, firms, PART_FIRMS)):
        registry, returns = _part(random, np.arange(first, min(firms, first + PART_FIRMS)))
        for name, table in (("gov.ent_registry", registry), ("gov.tax_quarter", returns)):
            pq.write_table(table, settings.data / name / f"part-{part:03}.parquet")
        rows += returns.num_rows
    add_institution(settings, "bank_a", InstitutionType.BANK, ["banks"], "Bank A", tools())
    copy_declarations(POLICIES, settings.home / "policies")
    for file in (settings.home / "policies").glob("*.yaml"):
        file.write_text(file.read_text(encoding="utf-8").replace("p_percent: 10", obligations), encoding="utf-8")
    prepare(settings.home / "policies")
    activate(settings, [settings.home / "policies"], development_keys(settings))
    with (home / "louver.toml").open("a", encoding="utf-8") as configuration:
        configuration.write(f"memory_mib = {memory_mib}\n")
    return Firms(City(load(home), settings.data), rows)


def publish(made: Firms) -> None:
    """Builds the snapshots the service reads."""
    for _ in publish_all(made.city.settings, tools()):
        pass


def _uscc(numbers: np.ndarray) -> pa.Array:
    return pa.array([f"9137029{number:011d}" for number in numbers.tolist()])


def _part(random: np.random.Generator, numbers: np.ndarray) -> tuple[pa.Table, pa.Table]:
    """The registry's and the returns' rows of these firms."""
    count, ids = len(numbers), _uscc(numbers)
    section = random.choice(len(SECTIONS), count, p=_skewed(len(SECTIONS)))
    size = np.exp(random.normal(10.5, 2.0, count))
    return _registry(random, ids, section, size), _returns(random, ids, size)


def _skewed(kinds: int) -> np.ndarray:
    weights: np.ndarray = 1.0 / np.arange(1, kinds + 1)
    shares: np.ndarray = weights / weights.sum()
    return shares


def _money(values: np.ndarray, scale: int = 2) -> pa.Array:
    return pc.cast(pa.array(np.round(np.clip(values, 0, 2e7), scale)), pa.decimal128(18, scale), safe=False)


def _pick(values: tuple[str, ...], index: np.ndarray) -> pa.Array:
    return pc.cast(pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(values)), pa.string())


def _registry(random: np.random.Generator, ids: pa.Array, section: np.ndarray, size: np.ndarray) -> pa.Table:
    count = len(ids)
    codes = tuple(f"{SECTIONS[code % 20]}{code:04d}" for code in range(1000))
    days = random.integers(7_000, 20_000, count).astype("int32")
    return pa.table(
        {
            "uscc": ids,
            "ent_name": pc.binary_join_element_wise("firm", ids, " "),
            "subject_class": _pick(("E", "I", "C", "N"), random.choice(4, count, p=(0.6, 0.35, 0.03, 0.02))),
            "ent_type_code": _pick(("1100", "9500"), random.integers(0, 2, count)),
            "industry_code": _pick(codes, section + 20 * random.integers(0, 50, count)),
            "section": _pick(SECTIONS, section),
            "district_code": _pick(DISTRICTS, random.integers(0, len(DISTRICTS), count)),
            "reg_capital_wan": _money(np.clip(size / 1000, 0, 1e5), 4),
            "established_on": pc.cast(pa.array(days), pa.date32()),
            "status": _pick(("存续", "注销", "吊销", "迁出"), random.choice(4, count, p=(0.9, 0.07, 0.02, 0.01))),
            "status_on": pc.cast(pa.array(days), pa.date32()),
            "scale": _pick(("微", "小", "中", "大"), np.digitize(size, (5e4, 5e5, 5e6))),
            "n_employees": pa.array(np.clip(size / 5e4, 1, 1000).astype("int32")),
            "legal_rep_id": pc.binary_join_element_wise("37029", pc.utf8_slice_codeunits(ids, 5), ""),
            "legal_rep_name": _pick(("张三", "李四"), random.integers(0, 2, count)),
            "updated_at": pc.cast(pa.array(days.astype("int64") * 86_400_000_000), pa.timestamp("us")),
        }
    )


def _returns(random: np.random.Generator, ids: pa.Array, size: np.ndarray) -> pa.Table:
    count, quarters = len(ids), len(QUARTERS)
    revenue = np.repeat(size, quarters) * random.uniform(0.5, 1.5, count * quarters)
    return pa.table(
        {
            "uscc": ids.take(pa.array(np.repeat(np.arange(count), quarters))),
            "quarter": pa.array(np.tile(np.array(QUARTERS, dtype="datetime64[D]"), count)),
            "revenue": _money(revenue),
            "vat_paid": _money(revenue * 0.03),
            "cit_paid": _money(revenue * 0.01),
            "arrears_amt": _money(np.where(random.random(len(revenue)) < 0.02, revenue * 0.01, 0.0)),
            "invoice_cnt": pa.array(np.clip(revenue / 1e4, 0, 2000).astype("int32")),
            "zero_declared": pa.array(random.random(len(revenue)) < 0.05),
        }
    )
