from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TokenQuestion(_message.Message):
    __slots__ = ("request_id", "element", "ids", "batch_sha256", "expires", "signature")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    BATCH_SHA256_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    element: str
    ids: int
    batch_sha256: bytes
    expires: str
    signature: bytes
    def __init__(self, request_id: _Optional[str] = ..., element: _Optional[str] = ..., ids: _Optional[int] = ..., batch_sha256: _Optional[bytes] = ..., expires: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class EvaluateRequest(_message.Message):
    __slots__ = ("question", "batch")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    BATCH_FIELD_NUMBER: _ClassVar[int]
    question: TokenQuestion
    batch: bytes
    def __init__(self, question: _Optional[_Union[TokenQuestion, _Mapping]] = ..., batch: _Optional[bytes] = ...) -> None: ...

class EvaluateResponse(_message.Message):
    __slots__ = ("header", "evaluated", "receipt")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    EVALUATED_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    header: EvaluateHeader
    evaluated: bytes
    receipt: bytes
    def __init__(self, header: _Optional[_Union[EvaluateHeader, _Mapping]] = ..., evaluated: _Optional[bytes] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class EvaluateHeader(_message.Message):
    __slots__ = ("request_id", "element", "public_key", "cost", "remaining", "policies", "development")
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
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    element: str
    public_key: bytes
    cost: _containers.ScalarMap[str, int]
    remaining: _containers.ScalarMap[str, int]
    policies: _containers.RepeatedScalarFieldContainer[str]
    development: bool
    def __init__(self, request_id: _Optional[str] = ..., element: _Optional[str] = ..., public_key: _Optional[bytes] = ..., cost: _Optional[_Mapping[str, int]] = ..., remaining: _Optional[_Mapping[str, int]] = ..., policies: _Optional[_Iterable[str]] = ..., development: bool = ...) -> None: ...
