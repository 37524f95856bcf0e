"""A job survives the wire unchanged, and nothing that is not a job passes for one."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from louver_sandbox.engines.engine import Job, MalformedJob, Source, decode_job, encode_job

JOB = Job((Source("s1", "/snapshots/a.duckdb"),), ("SELECT 1", "SELECT 2"), 10, 1000, 256, 2, 5000)

bounds = st.integers(1, 64)
jobs = st.builds(
    Job,
    sources=st.lists(
        st.builds(
            Source,
            alias=st.from_regex(r"s[0-9]{1,3}", fullmatch=True),
            path=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20).map(
                lambda path: "/" + path
            ),
        ),
        max_size=4,
        unique_by=lambda source: source.alias,
    ).map(tuple),
    statements=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=3).map(tuple),
    row_cap=bounds,
    byte_cap=bounds,
    memory_mib=bounds,
    threads=bounds,
    timeout_ms=bounds,
    few=st.booleans(),
)


@given(jobs)
def test_a_job_comes_back_as_it_went(job: Job) -> None:
    assert decode_job(encode_job(job)) == job


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(encode_job(JOB)) | fields).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        encode_job(JOB)[:-1],
        encode_job(JOB).replace(b'{"sources"', b'{"statements": ["SELECT 2"], "sources"'),
        changed(extra=1),
        changed(statements=None),
        changed(statements=[]),
        changed(statements="SELECT 1"),
        changed(statements=["SELECT 1", None]),
        changed(sql="SELECT 1"),
        changed(row_cap=0),
        changed(row_cap=-1),
        changed(row_cap=True),
        changed(row_cap=1.5),
        changed(row_cap="10"),
        changed(threads=65),
        changed(few=1),
        changed(few=None),
        changed(sources={}),
        changed(sources=[{"alias": "s1"}]),
        changed(sources=[{"alias": "s1", "path": "/a", "mode": "rw"}]),
        changed(sources=[{"alias": "s1", "path": "/a"}, {"alias": "s1", "path": "/b"}]),
        changed(sources=[{"alias": "s1", "path": "relative"}]),
        changed(sources=[{"alias": "s1", "path": "s3://bucket/a"}]),
        changed(sources=[{"alias": "s1", "path": ":memory:"}]),
        changed(sources=[{"alias": "s1", "path": "/a\0b"}]),
        changed(sources=[{"alias": 's1" (READ_WRITE)', "path": "/a"}]),
        changed(sources=[{"alias": "temp", "path": "/a"}]),
        changed(sources=[{"alias": "S1", "path": "/a"}]),
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedJob):
        decode_job(data)


def test_the_service_side_loads_no_engine() -> None:
    program = (
        "import sys, louver_sandbox.engines.engine, louver_sandbox.engines.shape, louver_sandbox.processes.pool\n"
        "print(sorted({'duckdb', 'pyarrow'} & sys.modules.keys()))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
