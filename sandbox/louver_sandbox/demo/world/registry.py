"""The registry's two tables: `gov.ent_registry` and `gov.ent_person_role`."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from louver_sandbox.demo.world import codes, identifiers, people
from louver_sandbox.demo.world.blueprint import Blueprint
from louver_sandbox.demo.world.city import City
from louver_sandbox.demo.world.codes import DISTRICTS, ENT_TYPES, NAME_ENDINGS, SECTIONS
from louver_sandbox.demo.world.columns import (
    Array,
    coded,
    dates,
    decimals,
    fixed_strings,
    integers,
    spelled,
    texts,
    timestamps,
    utf8_matrix,
)
from louver_sandbox.demo.world.firms import Firms, scale_of
from louver_sandbox.demo.world.people import YEAR
from louver_sandbox.demo.world.randomness import salt, stream
from louver_sandbox.demo.world.schema import record

_BRAND = utf8_matrix(codes.BRAND)
_TYPES = tuple(code for kinds in ENT_TYPES for code in kinds)
_TYPE_COUNT = np.array([len(kinds) for kinds in ENT_TYPES])
_TYPE_START = np.r_[0, np.cumsum(_TYPE_COUNT)[:-1]]
_INDUSTRIES = tuple(industry for section in SECTIONS for industry in section.industries)
_INDUSTRY_START = np.cumsum([0, *(len(section.industries) for section in SECTIONS)])[:-1]
_CAPITAL = np.array([4.6, 1.2, 4.0, 3.0])
"""Mean logarithm of the registered capital in 10,000 yuan by subject class."""


def firm_names(plan: Blueprint, rows: Array, firms: Firms) -> pa.Array:
    """City (and district), four characters that no other firm has, 测试, trade and legal form."""
    n = len(_BRAND)
    brand = (np.asarray(rows, dtype=np.int64) * 7_368_787 + salt(plan.seed, "brand") % n**4) % n**4
    matrix = np.concatenate([_BRAND[brand // n**place % n] for place in range(4)], axis=1)
    single = firms.subject_class == codes.I
    start = spelled(np.where(single, 1 + firms.district, 0), ["青岛", *(f"青岛市{d.name}" for d in DISTRICTS)])
    tails = texts([f"测试{section.word}{ending}" for ending in NAME_ENDINGS for section in SECTIONS])
    tail = spelled(firms.subject_class.astype(np.int64) * len(SECTIONS) + firms.section, tails)
    return pc.binary_join_element_wise(start, fixed_strings(matrix), tail, "")


def ent_registry(plan: Blueprint, city: City, chunk: int) -> pa.Table:
    """`gov.ent_registry` of one chunk of firms."""
    rng = stream(plan.seed, "registry", chunk)
    rows = np.asarray(plan.firm_rows(chunk))
    firms = city.firms.rows(rows[0], rows[-1] + 1)
    n = len(rows)
    representative = city.representative[firms.group]
    subject = firms.subject_class
    capital = np.exp(_CAPITAL[subject] + 0.4 * np.log1p(firms.employees) + 0.9 * rng.standard_normal(n))
    kind = _TYPE_START[subject] + (rng.random(n) * _TYPE_COUNT[subject]).astype(np.int64)
    hidden = rng.random(n) < 0.15
    seconds = (rng.random(n) * np.minimum(plan.today - firms.born, 365) * 86_400).astype(np.int64)
    return record(
        "gov.ent_registry",
        {
            "uscc": identifiers.strings(city.codes_of(plan, rows)),
            "ent_name": firm_names(plan, rows, firms),
            "subject_class": coded(subject, codes.SUBJECT_CLASSES),
            "ent_type_code": coded(kind, _TYPES),
            "industry_code": coded(_INDUSTRY_START[firms.section] + firms.industry, _INDUSTRIES),
            "section": coded(firms.section, codes.SECTION_LETTERS),
            "district_code": coded(firms.district, [district.code for district in DISTRICTS]),
            "reg_capital_wan": decimals(np.rint(np.minimum(capital, 1e5)) * 10_000, 18, 4),
            "established_on": dates(firms.born),
            "status": coded(firms.status, codes.STATUSES),
            "status_on": dates(np.where(firms.open, firms.born, firms.closed)),
            "scale": coded(scale_of(firms), codes.SCALES),
            "n_employees": integers(firms.employees, pa.int32(), hidden),
            "legal_rep_id": identifiers.strings(identifiers.person_ids(city.keys[representative])),
            "legal_rep_name": people.names(plan, representative),
            "updated_at": timestamps(plan.today * 86_400 - seconds),
        },
    )


def _stakes(rng: np.random.Generator, firms: Firms, partners: Array) -> tuple[Array, Array]:
    """How many of the two partners hold shares in each firm, and the share of the representative in millionths."""
    joint = np.isin(firms.subject_class, (codes.E, codes.C)) & (partners[:, 0] >= 0)
    holders = np.where(joint, rng.integers(0, 3, len(firms)), 0)
    own = np.where(holders == 0, 1_000_000, rng.integers(51, 90, len(firms)) * 10_000)
    return holders, own


def ent_person_role(plan: Blueprint, city: City, chunk: int) -> pa.Table:
    """`gov.ent_person_role` of one chunk: the representative, shareholders whose shares add up to 1, officers."""
    rng = stream(plan.seed, "registry", chunk, 1)
    rows = np.asarray(plan.firm_rows(chunk))
    firms = city.firms.rows(rows[0], rows[-1] + 1)
    representative = city.representative[firms.group]
    partners = city.partners[firms.group]
    holders, own = _stakes(rng, firms, partners)
    rest = 1_000_000 - own
    joint = np.isin(firms.subject_class, (codes.E, codes.C))
    board = joint & (partners[:, 0] >= 0) & (rng.random(len(firms)) < 0.6)
    second = np.where(holders == 2, rest // 3, 0)
    every = np.ones(len(firms), dtype=bool)
    seats = (
        (every, representative, 0, None),
        (joint, representative, 1, own),
        (holders >= 1, partners[:, 0], 1, rest - second),
        (holders == 2, partners[:, 1], 1, second),
        (joint & (rng.random(len(firms)) < 0.7), representative, 2, None),
        (board, partners[:, 1], 3, None),
        (board, partners[:, 0], 4, None),
    )
    firm = np.concatenate([np.flatnonzero(mask) for mask, *_ in seats])
    person = np.concatenate([who[mask] for mask, who, *_ in seats])
    role = np.concatenate([np.full(int(mask.sum()), number) for mask, _, number, _ in seats])
    share = np.concatenate([np.full(int(m.sum()), -1) if s is None else s[m] for m, _, _, s in seats])
    order = np.lexsort((role, firm))
    firm, person, role, share = firm[order], person[order], role[order], share[order]
    # Nobody holds a seat before coming of age, nor after the firm has closed.
    coming = identifiers.key_birth(city.keys[person]) + int(18 * YEAR) + 1
    end = np.minimum(firms.closed[firm], plan.today)
    since = np.minimum(np.maximum(firms.born[firm] + _later(rng, len(firm)), coming), end)
    return record(
        "gov.ent_person_role",
        {
            "uscc": coded(firm, identifiers.strings(city.codes_of(plan, rows))),
            "person_id": identifiers.strings(identifiers.person_ids(city.keys[person])),
            "role": coded(role, codes.ROLES),
            "share_ratio": decimals(np.maximum(share, 0), 9, 6, share < 0),
            "since": dates(since),
        },
    )


def _later(rng: np.random.Generator, n: int) -> Array:
    """Days between foundation and taking the seat; most sit from the start."""
    return np.where(rng.random(n) < 0.7, 0, rng.integers(1, 1500, n))
