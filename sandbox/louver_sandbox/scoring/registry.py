"""Models and scores as rows in the state store. Every function takes a connection in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
    insert,
    select,
    update,
)

metadata = MetaData()
_Big = BigInteger().with_variant(Integer(), "sqlite")

scorecards = Table(
    "scorecards",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("institution", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("feature_set", Text, nullable=False),
    Column("feature_set_sha256", Text, nullable=False),
    Column("kid", Text, nullable=False),
    Column("decimals", Integer, nullable=False),
    Column("rules_sha256", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("auditor", Text, nullable=False),
    Column("quarter", Text, nullable=False),
    Column("registered", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
    UniqueConstraint("institution", "model", "version", name="scorecard_once"),
)
"""Registered models, in the order of registration; none is ever changed or removed."""

score_packs = Table(
    "score_packs",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("model", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""Ciphertexts with the scores of several subjects, as they left."""

scores = Table(
    "scores",
    metadata,
    Column("id", _Big, primary_key=True),
    Column("model", Text, nullable=False),
    Column("institution", Text, nullable=False),
    Column("feature_set", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("authorisation", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("pack", BigInteger),
    Column("slot", Integer),
    UniqueConstraint("model", "subject", "authorisation", name="score_once"),
    Index("scores_by_subject", "institution", "subject", "feature_set"),
    Index("scores_by_authorisation", "authorisation"),
)
"""Who was scored with what under which authorisation; without a pack where nothing has left."""

Pair = tuple[str, str]
"""A subject and the authorisation that it is scored under."""


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """An admitted model. ``registered`` is RFC 3339 in UTC, ``quarter`` such as 2026-Q4 in Beijing."""

    digest: str
    institution: str
    model: str
    version: str
    feature_set: str
    feature_set_sha256: str
    kid: str
    decimals: int
    rules_sha256: str
    content: bytes = field(repr=False)
    auditor: str
    quarter: str
    registered: str
    entry: int

    @property
    def name(self) -> str:
        """As policies list it: institution and model, whatever the version."""
        return f"{self.institution}/{self.model}"


def add(tx: Connection, made: RegisteredModel) -> None:
    """Keeps a model."""
    tx.execute(insert(scorecards).values({name: getattr(made, name) for name in _FIELDS}))


def find(tx: Connection, institution: str, digest: str) -> RegisteredModel | None:
    """The institution's model of that digest."""
    row = tx.execute(_MODELS.where(_m.institution == institution, _m.digest == digest)).one_or_none()
    return None if row is None else RegisteredModel(*row)


def named(tx: Connection, institution: str, model: str, version: str) -> RegisteredModel | None:
    """The institution's model of that name and version."""
    query = _MODELS.where(_m.institution == institution, _m.model == model, _m.version == version)
    row = tx.execute(query).one_or_none()
    return None if row is None else RegisteredModel(*row)


def of_digest(tx: Connection, digest: str) -> RegisteredModel | None:
    """The model of that digest, whosever it is."""
    row = tx.execute(_MODELS.where(_m.digest == digest)).one_or_none()
    return None if row is None else RegisteredModel(*row)


def under_keys(tx: Connection, kids: Iterable[str]) -> list[str]:
    """The digests of all models under these keys."""
    query = select(_m.digest).where(_m.kid.in_(list(kids))).order_by(_m.id)
    return list(tx.execute(query).scalars())


def models_of(tx: Connection, institution: str) -> tuple[RegisteredModel, ...]:
    """The institution's models, the newest first."""
    rows = tx.execute(_MODELS.where(_m.institution == institution).order_by(_m.id.desc()))
    return tuple(RegisteredModel(*row) for row in rows)


def in_quarter(tx: Connection, institution: str, feature_set: str, quarter: str) -> int:
    """How many models of the set the institution has registered in the quarter."""
    query = select(func.count()).where(
        _m.institution == institution, _m.feature_set == feature_set, _m.quarter == quarter
    )
    return int(tx.execute(query).scalar_one())


def others(tx: Connection, institution: str, feature_set: str, subject: str, model: str) -> int:
    """With how many other models the institution has had the subject scored, or tried to."""
    query = select(func.count(_s.model.distinct())).where(
        _s.institution == institution, _s.feature_set == feature_set, _s.subject == subject, _s.model != model
    )
    return int(tx.execute(query).scalar_one())


def place(tx: Connection, model: str, pair: Pair) -> tuple[int, int] | None:
    """Pack and slot of a score that has left."""
    row = tx.execute(
        select(_s.pack, _s.slot).where(_s.model == model, _s.subject == pair[0], _s.authorisation == pair[1])
    ).one_or_none()
    return None if row is None or row.pack is None else (row.pack, row.slot)


@dataclass(frozen=True, slots=True)
class ScoredUnder:
    """A model (institution, name and version) that an authorisation was used for, the request that did first, and
    whether a score has left: an attempt may have broken off."""

    digest: str
    model: str
    request_id: str
    left: bool


def under(tx: Connection, authorisation: str) -> tuple[ScoredUnder, ...]:
    """What has scored a subject under its authorisation, the oldest first."""
    rows = tx.execute(
        select(_m.digest, _m.institution, _m.model, _m.version, _s.request_id, _s.pack)
        .join_from(scores, scorecards, _m.digest == _s.model)
        .where(_s.authorisation == authorisation)
        .order_by(_s.id)
    )
    return tuple(
        ScoredUnder(row.digest, f"{row.institution}/{row.model}/{row.version}", row.request_id, row.pack is not None)
        for row in rows
    )


def reserve(tx: Connection, made: RegisteredModel, pairs: Iterable[Pair], request_id: str) -> None:
    """Notes that these are about to be scored, where nothing of the kind is noted yet."""
    for subject, authorisation in pairs:
        known = select(_s.id).where(_s.model == made.digest, _s.subject == subject, _s.authorisation == authorisation)
        if tx.execute(known).first() is None:
            tx.execute(
                insert(scores).values(
                    model=made.digest,
                    institution=made.institution,
                    feature_set=made.feature_set,
                    subject=subject,
                    authorisation=authorisation,
                    request_id=request_id,
                )
            )


def keep(tx: Connection, model: str, packs: Sequence[bytes], places: Mapping[Pair, tuple[int, int]]) -> None:
    """Keeps ciphertexts and which pair's score lies where in them; what another request has kept first stays."""
    ids: list[int] = []
    for content in packs:
        made = tx.execute(insert(score_packs).values(model=model, content=content).returning(score_packs.c.id))
        ids.append(made.scalar_one())
    for (subject, authorisation), (pack, slot) in places.items():
        tx.execute(
            update(scores)
            .where(_s.model == model, _s.subject == subject, _s.authorisation == authorisation, _s.pack.is_(None))
            .values(pack=ids[pack], slot=slot)
        )


def contents(tx: Connection, packs: Sequence[int]) -> list[bytes]:
    """The ciphertexts of these packs."""
    return [tx.execute(select(score_packs.c.content).where(score_packs.c.id == one)).scalar_one() for one in packs]


_m, _s = scorecards.c, scores.c
_FIELDS = tuple(RegisteredModel.__dataclass_fields__)
_MODELS = select(*(_m[name] for name in _FIELDS))
