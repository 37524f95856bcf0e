from louver.v1 import sandbox_pb2 as _sandbox_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListMatchableRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListMatchableResponse(_message.Message):
    __slots__ = ("lists",)
    LISTS_FIELD_NUMBER: _ClassVar[int]
    lists: _containers.RepeatedCompositeFieldContainer[MatchableList]
    def __init__(self, lists: _Optional[_Iterable[_Union[MatchableList, _Mapping]]] = ...) -> None: ...

class MatchableList(_message.Message):
    __slots__ = ("list", "title", "owner", "modes", "purposes", "columns", "minimum_batch", "ids_per_day", "ids_per_month", "persons")
    LIST_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    MODES_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_BATCH_FIELD_NUMBER: _ClassVar[int]
    IDS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    IDS_PER_MONTH_FIELD_NUMBER: _ClassVar[int]
    PERSONS_FIELD_NUMBER: _ClassVar[int]
    list: str
    title: str
    owner: str
    modes: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[str]
    columns: _containers.RepeatedScalarFieldContainer[str]
    minimum_batch: int
    ids_per_day: int
    ids_per_month: int
    persons: str
    def __init__(self, list: _Optional[str] = ..., title: _Optional[str] = ..., owner: _Optional[str] = ..., modes: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[str]] = ..., columns: _Optional[_Iterable[str]] = ..., minimum_batch: _Optional[int] = ..., ids_per_day: _Optional[int] = ..., ids_per_month: _Optional[int] = ..., persons: _Optional[str] = ...) -> None: ...

class MatchQuestion(_message.Message):
    __slots__ = ("request_id", "purpose", "list", "mode", "ids", "batch_sha256", "public_key", "expires", "signature", "authorisations", "largest_amount")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SHA256_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    AUTHORISATIONS_FIELD_NUMBER: _ClassVar[int]
    LARGEST_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    purpose: str
    list: str
    mode: str
    ids: int
    batch_sha256: bytes
    public_key: bytes
    expires: str
    signature: bytes
    authorisations: _containers.RepeatedScalarFieldContainer[str]
    largest_amount: int
    def __init__(self, request_id: _Optional[str] = ..., purpose: _Optional[str] = ..., list: _Optional[str] = ..., mode: _Optional[str] = ..., ids: _Optional[int] = ..., batch_sha256: _Optional[bytes] = ..., public_key: _Optional[bytes] = ..., expires: _Optional[str] = ..., signature: _Optional[bytes] = ..., authorisations: _Optional[_Iterable[str]] = ..., largest_amount: _Optional[int] = ...) -> None: ...

class MatchRequest(_message.Message):
    __slots__ = ("question", "batch", "evaluated", "known_sets")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    KNOWN_SETS_FIELD_NUMBER: _ClassVar[int]
    question: MatchQuestion
    batch: bytes
    evaluated: bytes
    known_sets: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, question: _Optional[_Union[MatchQuestion, _Mapping]] = ..., batch: _Optional[bytes] = ..., evaluated: _Optional[bytes] = ..., known_sets: _Optional[_Iterable[bytes]] = ...) -> None: ...

class MatchResponse(_message.Message):
    __slots__ = ("progress", "header", "set", "evaluated", "blinded", "number", "receipt", "personal")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SET_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    BLINDED_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    PERSONAL_FIELD_NUMBER: _ClassVar[int]
    progress: str
    header: MatchHeader
    set: bytes
    evaluated: bytes
    blinded: bytes
    number: MatchNumber
    receipt: bytes
    personal: bytes
    def __init__(self, progress: _Optional[str] = ..., header: _Optional[_Union[MatchHeader, _Mapping]] = ..., set: _Optional[bytes] = ..., evaluated: _Optional[bytes] = ..., blinded: _Optional[bytes] = ..., number: _Optional[_Union[MatchNumber, _Mapping]] = ..., receipt: _Optional[bytes] = ..., personal: _Optional[bytes] = ...) -> None: ...

class MatchHeader(_message.Message):
    __slots__ = ("request_id", "list", "mode", "set_sha256", "set_bytes", "public_key", "subjects", "cost", "remaining", "policies", "development", "day", "privacy")
    class CostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    class RemainingEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    SET_BYTES_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
    DAY_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    list: str
    mode: str
    set_sha256: bytes
    set_bytes: int
    public_key: bytes
    subjects: int
    cost: _containers.ScalarMap[str, int]
    remaining: _containers.ScalarMap[str, int]
    policies: _containers.RepeatedScalarFieldContainer[str]
    development: bool
    day: str
    privacy: _containers.RepeatedCompositeFieldContainer[_sandbox_pb2.PrivacyLoss]
    def __init__(self, request_id: _Optional[str] = ..., list: _Optional[str] = ..., mode: _Optional[str] = ..., set_sha256: _Optional[bytes] = ..., set_bytes: _Optional[int] = ..., public_key: _Optional[bytes] = ..., subjects: _Optional[int] = ..., cost: _Optional[_Mapping[str, int]] = ..., remaining: _Optional[_Mapping[str, int]] = ..., policies: _Optional[_Iterable[str]] = ..., development: bool = ..., day: _Optional[str] = ..., privacy: _Optional[_Iterable[_Union[_sandbox_pb2.PrivacyLoss, _Mapping]]] = ...) -> None: ...

class MatchNumber(_message.Message):
    __slots__ = ("value", "accuracy")
    VALUE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    value: int
    accuracy: _sandbox_pb2.Accuracy
    def __init__(self, value: _Optional[int] = ..., accuracy: _Optional[_Union[_sandbox_pb2.Accuracy, _Mapping]] = ...) -> None: ...

class ReportMeasureRequest(_message.Message):
    __slots__ = ("request_id", "list", "subject", "measure", "taken_on", "note")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    LIST_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    MEASURE_FIELD_NUMBER: _ClassVar[int]
    TAKEN_ON_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    list: str
    subject: str
    measure: str
    taken_on: str
    note: str
    def __init__(self, request_id: _Optional[str] = ..., list: _Optional[str] = ..., subject: _Optional[str] = ..., measure: _Optional[str] = ..., taken_on: _Optional[str] = ..., note: _Optional[str] = ...) -> None: ...

class ReportMeasureResponse(_message.Message):
    __slots__ = ("log_index",)
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    log_index: int
    def __init__(self, log_index: _Optional[int] = ...) -> None: ...
