from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccessWish(_message.Message):
    __slots__ = ("table", "columns", "purpose", "legal_basis", "reason", "sql")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    LEGAL_BASIS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    table: str
    columns: _containers.RepeatedScalarFieldContainer[str]
    purpose: str
    legal_basis: str
    reason: str
    sql: str
    def __init__(self, table: _Optional[str] = ..., columns: _Optional[_Iterable[str]] = ..., purpose: _Optional[str] = ..., legal_basis: _Optional[str] = ..., reason: _Optional[str] = ..., sql: _Optional[str] = ...) -> None: ...

class AccessRequest(_message.Message):
    __slots__ = ("id", "institution", "wish", "state", "received", "due", "settled", "answer", "decided", "version", "officer", "department", "log_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    WISH_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    DECIDED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    OFFICER_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    institution: str
    wish: AccessWish
    state: str
    received: str
    due: str
    settled: bool
    answer: str
    decided: str
    version: str
    officer: str
    department: str
    log_index: int
    def __init__(self, id: _Optional[str] = ..., institution: _Optional[str] = ..., wish: _Optional[_Union[AccessWish, _Mapping]] = ..., state: _Optional[str] = ..., received: _Optional[str] = ..., due: _Optional[str] = ..., settled: bool = ..., answer: _Optional[str] = ..., decided: _Optional[str] = ..., version: _Optional[str] = ..., officer: _Optional[str] = ..., department: _Optional[str] = ..., log_index: _Optional[int] = ...) -> None: ...

class RequestAccessRequest(_message.Message):
    __slots__ = ("wish",)
    WISH_FIELD_NUMBER: _ClassVar[int]
    wish: AccessWish
    def __init__(self, wish: _Optional[_Union[AccessWish, _Mapping]] = ...) -> None: ...

class RequestAccessResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: AccessRequest
    def __init__(self, request: _Optional[_Union[AccessRequest, _Mapping]] = ...) -> None: ...

class ListAccessRequestsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAccessRequestsResponse(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[AccessRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[AccessRequest, _Mapping]]] = ...) -> None: ...

class WithdrawAccessRequestRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class WithdrawAccessRequestResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: AccessRequest
    def __init__(self, request: _Optional[_Union[AccessRequest, _Mapping]] = ...) -> None: ...

class ListDepartmentRequestsRequest(_message.Message):
    __slots__ = ("waiting",)
    WAITING_FIELD_NUMBER: _ClassVar[int]
    waiting: bool
    def __init__(self, waiting: bool = ...) -> None: ...

class ListDepartmentRequestsResponse(_message.Message):
    __slots__ = ("requests",)
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    requests: _containers.RepeatedCompositeFieldContainer[AccessRequest]
    def __init__(self, requests: _Optional[_Iterable[_Union[AccessRequest, _Mapping]]] = ...) -> None: ...

class DecideAccessRequestRequest(_message.Message):
    __slots__ = ("id", "grant", "answer", "version")
    ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    id: str
    grant: bool
    answer: str
    version: str
    def __init__(self, id: _Optional[str] = ..., grant: bool = ..., answer: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class DecideAccessRequestResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: AccessRequest
    def __init__(self, request: _Optional[_Union[AccessRequest, _Mapping]] = ...) -> None: ...

class DraftAccessGrantRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class DraftAccessGrantResponse(_message.Message):
    __slots__ = ("text", "legal", "code", "message", "message_zh", "sql")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LEGAL_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    text: str
    legal: bool
    code: str
    message: str
    message_zh: str
    sql: str
    def __init__(self, text: _Optional[str] = ..., legal: bool = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ..., sql: _Optional[str] = ...) -> None: ...

class GetAccessFiguresRequest(_message.Message):
    __slots__ = ("since", "until")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    since: str
    until: str
    def __init__(self, since: _Optional[str] = ..., until: _Optional[str] = ...) -> None: ...

class GetAccessFiguresResponse(_message.Message):
    __slots__ = ("departments",)
    DEPARTMENTS_FIELD_NUMBER: _ClassVar[int]
    departments: _containers.RepeatedCompositeFieldContainer[AccessFigures]
    def __init__(self, departments: _Optional[_Iterable[_Union[AccessFigures, _Mapping]]] = ...) -> None: ...

class AccessFigures(_message.Message):
    __slots__ = ("department", "received", "waiting", "overdue", "granted", "refused", "withdrawn", "met_per_mille", "median_half_days")
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_FIELD_NUMBER: _ClassVar[int]
    GRANTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    MET_PER_MILLE_FIELD_NUMBER: _ClassVar[int]
    MEDIAN_HALF_DAYS_FIELD_NUMBER: _ClassVar[int]
    department: str
    received: int
    waiting: int
    overdue: int
    granted: int
    refused: int
    withdrawn: int
    met_per_mille: int
    median_half_days: int
    def __init__(self, department: _Optional[str] = ..., received: _Optional[int] = ..., waiting: _Optional[int] = ..., overdue: _Optional[int] = ..., granted: _Optional[int] = ..., refused: _Optional[int] = ..., withdrawn: _Optional[int] = ..., met_per_mille: _Optional[int] = ..., median_half_days: _Optional[int] = ...) -> None: ...
