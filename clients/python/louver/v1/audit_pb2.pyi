from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EntryFilter(_message.Message):
    __slots__ = ("kinds", "institutions", "purposes", "datasets", "verdicts", "codes", "treatments", "least_cost", "most_cost", "since", "until", "text", "request_id")
    KINDS_FIELD_NUMBER: _ClassVar[int]
    INSTITUTIONS_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    TREATMENTS_FIELD_NUMBER: _ClassVar[int]
    LEAST_COST_FIELD_NUMBER: _ClassVar[int]
    MOST_COST_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    kinds: _containers.RepeatedScalarFieldContainer[str]
    institutions: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[str]
    datasets: _containers.RepeatedScalarFieldContainer[str]
    verdicts: _containers.RepeatedScalarFieldContainer[str]
    codes: _containers.RepeatedScalarFieldContainer[str]
    treatments: _containers.RepeatedScalarFieldContainer[str]
    least_cost: int
    most_cost: int
    since: str
    until: str
    text: str
    request_id: str
    def __init__(self, kinds: _Optional[_Iterable[str]] = ..., institutions: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[str]] = ..., datasets: _Optional[_Iterable[str]] = ..., verdicts: _Optional[_Iterable[str]] = ..., codes: _Optional[_Iterable[str]] = ..., treatments: _Optional[_Iterable[str]] = ..., least_cost: _Optional[int] = ..., most_cost: _Optional[int] = ..., since: _Optional[str] = ..., until: _Optional[str] = ..., text: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SearchEntriesRequest(_message.Message):
    __slots__ = ("filter", "page_size", "page_token", "ascending", "with_counts")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ASCENDING_FIELD_NUMBER: _ClassVar[int]
    WITH_COUNTS_FIELD_NUMBER: _ClassVar[int]
    filter: EntryFilter
    page_size: int
    page_token: str
    ascending: bool
    with_counts: bool
    def __init__(self, filter: _Optional[_Union[EntryFilter, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., ascending: bool = ..., with_counts: bool = ...) -> None: ...

class SearchEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_page_token", "counts", "indexed", "log_size")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    INDEXED_FIELD_NUMBER: _ClassVar[int]
    LOG_SIZE_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LogEntry]
    next_page_token: str
    counts: EntryCounts
    indexed: int
    log_size: int
    def __init__(self, entries: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., counts: _Optional[_Union[EntryCounts, _Mapping]] = ..., indexed: _Optional[int] = ..., log_size: _Optional[int] = ...) -> None: ...

class EntryCounts(_message.Message):
    __slots__ = ("matched", "exact", "facets")
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    FACETS_FIELD_NUMBER: _ClassVar[int]
    matched: int
    exact: bool
    facets: _containers.RepeatedCompositeFieldContainer[Facet]
    def __init__(self, matched: _Optional[int] = ..., exact: bool = ..., facets: _Optional[_Iterable[_Union[Facet, _Mapping]]] = ...) -> None: ...

class Facet(_message.Message):
    __slots__ = ("name", "values")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    name: str
    values: _containers.RepeatedCompositeFieldContainer[FacetValue]
    def __init__(self, name: _Optional[str] = ..., values: _Optional[_Iterable[_Union[FacetValue, _Mapping]]] = ...) -> None: ...

class FacetValue(_message.Message):
    __slots__ = ("value", "entries")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    value: str
    entries: int
    def __init__(self, value: _Optional[str] = ..., entries: _Optional[int] = ...) -> None: ...

class LogEntry(_message.Message):
    __slots__ = ("index", "time", "kind", "institution", "request_id", "purpose", "verdict", "code", "treatment", "datasets", "cost", "sql", "actor")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    index: int
    time: str
    kind: str
    institution: str
    request_id: str
    purpose: str
    verdict: str
    code: str
    treatment: str
    datasets: _containers.RepeatedScalarFieldContainer[str]
    cost: int
    sql: str
    actor: str
    def __init__(self, index: _Optional[int] = ..., time: _Optional[str] = ..., kind: _Optional[str] = ..., institution: _Optional[str] = ..., request_id: _Optional[str] = ..., purpose: _Optional[str] = ..., verdict: _Optional[str] = ..., code: _Optional[str] = ..., treatment: _Optional[str] = ..., datasets: _Optional[_Iterable[str]] = ..., cost: _Optional[int] = ..., sql: _Optional[str] = ..., actor: _Optional[str] = ...) -> None: ...

class GetEntryRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class GetEntryResponse(_message.Message):
    __slots__ = ("summary", "proof", "covered", "erased", "related", "residue", "pruned_by")
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    COVERED_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    RELATED_FIELD_NUMBER: _ClassVar[int]
    RESIDUE_FIELD_NUMBER: _ClassVar[int]
    PRUNED_BY_FIELD_NUMBER: _ClassVar[int]
    summary: LogEntry
    proof: bytes
    covered: bool
    erased: bool
    related: _containers.RepeatedCompositeFieldContainer[LogEntry]
    residue: str
    pruned_by: int
    def __init__(self, summary: _Optional[_Union[LogEntry, _Mapping]] = ..., proof: _Optional[bytes] = ..., covered: bool = ..., erased: bool = ..., related: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ..., residue: _Optional[str] = ..., pruned_by: _Optional[int] = ...) -> None: ...

class CountOverTimeRequest(_message.Message):
    __slots__ = ("filter", "hours")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    HOURS_FIELD_NUMBER: _ClassVar[int]
    filter: EntryFilter
    hours: bool
    def __init__(self, filter: _Optional[_Union[EntryFilter, _Mapping]] = ..., hours: bool = ...) -> None: ...

class CountOverTimeResponse(_message.Message):
    __slots__ = ("counts", "exact")
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    counts: _containers.RepeatedCompositeFieldContainer[TimeCount]
    exact: bool
    def __init__(self, counts: _Optional[_Iterable[_Union[TimeCount, _Mapping]]] = ..., exact: bool = ...) -> None: ...

class TimeCount(_message.Message):
    __slots__ = ("start", "verdict", "entries")
    START_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    start: str
    verdict: str
    entries: int
    def __init__(self, start: _Optional[str] = ..., verdict: _Optional[str] = ..., entries: _Optional[int] = ...) -> None: ...

class GetDeciderRequest(_message.Message):
    __slots__ = ("digest",)
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    digest: str
    def __init__(self, digest: _Optional[str] = ...) -> None: ...

class GetDeciderResponse(_message.Message):
    __slots__ = ("kind", "content")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    content: bytes
    def __init__(self, kind: _Optional[str] = ..., content: _Optional[bytes] = ...) -> None: ...

class TailEntriesRequest(_message.Message):
    __slots__ = ("filter", "start", "from_now")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    filter: EntryFilter
    start: int
    from_now: bool
    def __init__(self, filter: _Optional[_Union[EntryFilter, _Mapping]] = ..., start: _Optional[int] = ..., from_now: bool = ...) -> None: ...

class TailEntriesResponse(_message.Message):
    __slots__ = ("entries", "next_start")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_START_FIELD_NUMBER: _ClassVar[int]
    entries: _containers.RepeatedCompositeFieldContainer[LogEntry]
    next_start: int
    def __init__(self, entries: _Optional[_Iterable[_Union[LogEntry, _Mapping]]] = ..., next_start: _Optional[int] = ...) -> None: ...

class ReadEntriesRequest(_message.Message):
    __slots__ = ("start",)
    START_FIELD_NUMBER: _ClassVar[int]
    start: int
    def __init__(self, start: _Optional[int] = ...) -> None: ...

class ReadEntriesResponse(_message.Message):
    __slots__ = ("checkpoint", "entries")
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    entries: _containers.RepeatedCompositeFieldContainer[WholeEntry]
    def __init__(self, checkpoint: _Optional[str] = ..., entries: _Optional[_Iterable[_Union[WholeEntry, _Mapping]]] = ...) -> None: ...

class WholeEntry(_message.Message):
    __slots__ = ("body", "sql", "salt", "datasets", "residue", "pruned_by")
    BODY_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    SALT_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    RESIDUE_FIELD_NUMBER: _ClassVar[int]
    PRUNED_BY_FIELD_NUMBER: _ClassVar[int]
    body: bytes
    sql: str
    salt: bytes
    datasets: _containers.RepeatedScalarFieldContainer[str]
    residue: str
    pruned_by: int
    def __init__(self, body: _Optional[bytes] = ..., sql: _Optional[str] = ..., salt: _Optional[bytes] = ..., datasets: _Optional[_Iterable[str]] = ..., residue: _Optional[str] = ..., pruned_by: _Optional[int] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ("size", "cosigned")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COSIGNED_FIELD_NUMBER: _ClassVar[int]
    size: int
    cosigned: bool
    def __init__(self, size: _Optional[int] = ..., cosigned: bool = ...) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    def __init__(self, checkpoint: _Optional[str] = ...) -> None: ...

class GetConsistencyRequest(_message.Message):
    __slots__ = ("old_size", "new_size")
    OLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    NEW_SIZE_FIELD_NUMBER: _ClassVar[int]
    old_size: int
    new_size: int
    def __init__(self, old_size: _Optional[int] = ..., new_size: _Optional[int] = ...) -> None: ...

class GetConsistencyResponse(_message.Message):
    __slots__ = ("proof",)
    PROOF_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    def __init__(self, proof: _Optional[bytes] = ...) -> None: ...

class ListSpendingRequest(_message.Message):
    __slots__ = ("institution", "dataset", "kind", "since", "until")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    institution: str
    dataset: str
    kind: str
    since: str
    until: str
    def __init__(self, institution: _Optional[str] = ..., dataset: _Optional[str] = ..., kind: _Optional[str] = ..., since: _Optional[str] = ..., until: _Optional[str] = ...) -> None: ...

class ListSpendingResponse(_message.Message):
    __slots__ = ("days", "cut")
    DAYS_FIELD_NUMBER: _ClassVar[int]
    CUT_FIELD_NUMBER: _ClassVar[int]
    days: _containers.RepeatedCompositeFieldContainer[DaySpent]
    cut: bool
    def __init__(self, days: _Optional[_Iterable[_Union[DaySpent, _Mapping]]] = ..., cut: bool = ...) -> None: ...

class DaySpent(_message.Message):
    __slots__ = ("institution", "dataset", "purpose", "kind", "day", "amount", "total", "charges")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    CHARGES_FIELD_NUMBER: _ClassVar[int]
    institution: str
    dataset: str
    purpose: str
    kind: str
    day: str
    amount: str
    total: str
    charges: int
    def __init__(self, institution: _Optional[str] = ..., dataset: _Optional[str] = ..., purpose: _Optional[str] = ..., kind: _Optional[str] = ..., day: _Optional[str] = ..., amount: _Optional[str] = ..., total: _Optional[str] = ..., charges: _Optional[int] = ...) -> None: ...

class ReplayEntryRequest(_message.Message):
    __slots__ = ("index",)
    INDEX_FIELD_NUMBER: _ClassVar[int]
    index: int
    def __init__(self, index: _Optional[int] = ...) -> None: ...

class ReplayEntryResponse(_message.Message):
    __slots__ = ("same", "recorded", "found")
    class RecordedEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class FoundEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SAME_FIELD_NUMBER: _ClassVar[int]
    RECORDED_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    same: bool
    recorded: _containers.ScalarMap[str, str]
    found: _containers.ScalarMap[str, str]
    def __init__(self, same: bool = ..., recorded: _Optional[_Mapping[str, str]] = ..., found: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ExportLogRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ExportLogResponse(_message.Message):
    __slots__ = ("lines",)
    LINES_FIELD_NUMBER: _ClassVar[int]
    lines: bytes
    def __init__(self, lines: _Optional[bytes] = ...) -> None: ...

class AddCosignatureRequest(_message.Message):
    __slots__ = ("size", "line")
    SIZE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    size: int
    line: str
    def __init__(self, size: _Optional[int] = ..., line: _Optional[str] = ...) -> None: ...

class AddCosignatureResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
