from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Value(_message.Message):
    __slots__ = ("boolean", "integer", "decimal", "text", "date")
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    boolean: bool
    integer: int
    decimal: str
    text: str
    date: str
    def __init__(self, boolean: bool = ..., integer: _Optional[int] = ..., decimal: _Optional[str] = ..., text: _Optional[str] = ..., date: _Optional[str] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("request_id", "purpose", "sql", "parameters", "expires", "signature", "dialect", "seal", "epsilon", "accuracy")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    purpose: str
    sql: str
    parameters: _containers.MessageMap[str, Value]
    expires: str
    signature: bytes
    dialect: str
    seal: str
    epsilon: str
    accuracy: _containers.RepeatedCompositeFieldContainer[WantedAccuracy]
    def __init__(self, request_id: _Optional[str] = ..., purpose: _Optional[str] = ..., sql: _Optional[str] = ..., parameters: _Optional[_Mapping[str, Value]] = ..., expires: _Optional[str] = ..., signature: _Optional[bytes] = ..., dialect: _Optional[str] = ..., seal: _Optional[str] = ..., epsilon: _Optional[str] = ..., accuracy: _Optional[_Iterable[_Union[WantedAccuracy, _Mapping]]] = ...) -> None: ...

class WantedAccuracy(_message.Message):
    __slots__ = ("column", "within", "percent", "of", "among")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    WITHIN_FIELD_NUMBER: _ClassVar[int]
    PERCENT_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    AMONG_FIELD_NUMBER: _ClassVar[int]
    column: str
    within: str
    percent: bool
    of: str
    among: int
    def __init__(self, column: _Optional[str] = ..., within: _Optional[str] = ..., percent: bool = ..., of: _Optional[str] = ..., among: _Optional[int] = ...) -> None: ...

class AnalyseRequest(_message.Message):
    __slots__ = ("question",)
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    question: Question
    def __init__(self, question: _Optional[_Union[Question, _Mapping]] = ...) -> None: ...

class AnalyseResponse(_message.Message):
    __slots__ = ("progress", "header", "arrow", "receipt")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    header: AnswerHeader
    arrow: bytes
    receipt: bytes
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ..., header: _Optional[_Union[AnswerHeader, _Mapping]] = ..., arrow: _Optional[bytes] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("stage",)
    STAGE_FIELD_NUMBER: _ClassVar[int]
    stage: str
    def __init__(self, stage: _Optional[str] = ...) -> None: ...

class AnswerHeader(_message.Message):
    __slots__ = ("request_id", "treatment", "notices", "cost", "remaining", "arrow_bytes", "result_sha256", "stored", "policies", "development", "rows", "remainder_arrow", "accuracy", "privacy")
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
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    ARROW_BYTES_FIELD_NUMBER: _ClassVar[int]
    RESULT_SHA256_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_ARROW_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    treatment: str
    notices: _containers.RepeatedCompositeFieldContainer[Notice]
    cost: _containers.ScalarMap[str, int]
    remaining: _containers.ScalarMap[str, int]
    arrow_bytes: int
    result_sha256: bytes
    stored: bool
    policies: _containers.RepeatedScalarFieldContainer[str]
    development: bool
    rows: int
    remainder_arrow: bytes
    accuracy: _containers.RepeatedCompositeFieldContainer[Accuracy]
    privacy: _containers.RepeatedCompositeFieldContainer[PrivacyLoss]
    def __init__(self, request_id: _Optional[str] = ..., treatment: _Optional[str] = ..., notices: _Optional[_Iterable[_Union[Notice, _Mapping]]] = ..., cost: _Optional[_Mapping[str, int]] = ..., remaining: _Optional[_Mapping[str, int]] = ..., arrow_bytes: _Optional[int] = ..., result_sha256: _Optional[bytes] = ..., stored: bool = ..., policies: _Optional[_Iterable[str]] = ..., development: bool = ..., rows: _Optional[int] = ..., remainder_arrow: _Optional[bytes] = ..., accuracy: _Optional[_Iterable[_Union[Accuracy, _Mapping]]] = ..., privacy: _Optional[_Iterable[_Union[PrivacyLoss, _Mapping]]] = ...) -> None: ...

class PrivacyLoss(_message.Message):
    __slots__ = ("dataset", "unit", "purpose", "delta", "cost", "free", "most", "left", "limits")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    FREE_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    unit: str
    purpose: str
    delta: str
    cost: PrivacyAmount
    free: bool
    most: PrivacyAmount
    left: PrivacyAmount
    limits: _containers.RepeatedCompositeFieldContainer[PrivacyLimit]
    def __init__(self, dataset: _Optional[str] = ..., unit: _Optional[str] = ..., purpose: _Optional[str] = ..., delta: _Optional[str] = ..., cost: _Optional[_Union[PrivacyAmount, _Mapping]] = ..., free: bool = ..., most: _Optional[_Union[PrivacyAmount, _Mapping]] = ..., left: _Optional[_Union[PrivacyAmount, _Mapping]] = ..., limits: _Optional[_Iterable[_Union[PrivacyLimit, _Mapping]]] = ...) -> None: ...

class PrivacyAmount(_message.Message):
    __slots__ = ("epsilon", "rho")
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    RHO_FIELD_NUMBER: _ClassVar[int]
    epsilon: str
    rho: str
    def __init__(self, epsilon: _Optional[str] = ..., rho: _Optional[str] = ...) -> None: ...

class PrivacyLimit(_message.Message):
    __slots__ = ("kind", "period", "limit", "left", "at_least", "refreshes_at")
    KIND_FIELD_NUMBER: _ClassVar[int]
    PERIOD_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    AT_LEAST_FIELD_NUMBER: _ClassVar[int]
    REFRESHES_AT_FIELD_NUMBER: _ClassVar[int]
    kind: str
    period: str
    limit: PrivacyAmount
    left: PrivacyAmount
    at_least: bool
    refreshes_at: str
    def __init__(self, kind: _Optional[str] = ..., period: _Optional[str] = ..., limit: _Optional[_Union[PrivacyAmount, _Mapping]] = ..., left: _Optional[_Union[PrivacyAmount, _Mapping]] = ..., at_least: bool = ..., refreshes_at: _Optional[str] = ...) -> None: ...

class Accuracy(_message.Message):
    __slots__ = ("column", "kind", "standard_error", "below", "above", "message", "message_zh", "relative_error", "low", "high", "share", "sealed")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STANDARD_ERROR_FIELD_NUMBER: _ClassVar[int]
    BELOW_FIELD_NUMBER: _ClassVar[int]
    ABOVE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_ERROR_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    SEALED_FIELD_NUMBER: _ClassVar[int]
    column: str
    kind: str
    standard_error: str
    below: str
    above: str
    message: str
    message_zh: str
    relative_error: str
    low: _containers.RepeatedScalarFieldContainer[str]
    high: _containers.RepeatedScalarFieldContainer[str]
    share: str
    sealed: bytes
    def __init__(self, column: _Optional[str] = ..., kind: _Optional[str] = ..., standard_error: _Optional[str] = ..., below: _Optional[str] = ..., above: _Optional[str] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ..., relative_error: _Optional[str] = ..., low: _Optional[_Iterable[str]] = ..., high: _Optional[_Iterable[str]] = ..., share: _Optional[str] = ..., sealed: _Optional[bytes] = ...) -> None: ...

class Notice(_message.Message):
    __slots__ = ("code", "count", "rule", "message", "message_zh")
    CODE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    code: str
    count: int
    rule: str
    message: str
    message_zh: str
    def __init__(self, code: _Optional[str] = ..., count: _Optional[int] = ..., rule: _Optional[str] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("purpose", "sql", "parameters", "dialect", "seal", "epsilon", "accuracy")
    class ParametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Value
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Value, _Mapping]] = ...) -> None: ...
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    SEAL_FIELD_NUMBER: _ClassVar[int]
    EPSILON_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    purpose: str
    sql: str
    parameters: _containers.MessageMap[str, Value]
    dialect: str
    seal: str
    epsilon: str
    accuracy: _containers.RepeatedCompositeFieldContainer[WantedAccuracy]
    def __init__(self, purpose: _Optional[str] = ..., sql: _Optional[str] = ..., parameters: _Optional[_Mapping[str, Value]] = ..., dialect: _Optional[str] = ..., seal: _Optional[str] = ..., epsilon: _Optional[str] = ..., accuracy: _Optional[_Iterable[_Union[WantedAccuracy, _Mapping]]] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("admitted", "refusal", "treatment", "statement", "cost", "remaining", "policies", "uses", "columns", "obligations", "outcomes", "rules", "notices", "shape", "accuracy", "privacy")
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
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    POLICIES_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    OBLIGATIONS_FIELD_NUMBER: _ClassVar[int]
    OUTCOMES_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    ACCURACY_FIELD_NUMBER: _ClassVar[int]
    PRIVACY_FIELD_NUMBER: _ClassVar[int]
    admitted: bool
    refusal: RefusalSummary
    treatment: str
    statement: str
    cost: _containers.ScalarMap[str, int]
    remaining: _containers.ScalarMap[str, int]
    policies: _containers.RepeatedScalarFieldContainer[str]
    uses: _containers.RepeatedCompositeFieldContainer[ColumnUse]
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    obligations: _containers.RepeatedScalarFieldContainer[str]
    outcomes: _containers.RepeatedCompositeFieldContainer[Outcome]
    rules: _containers.RepeatedCompositeFieldContainer[Notice]
    notices: _containers.RepeatedCompositeFieldContainer[Notice]
    shape: str
    accuracy: _containers.RepeatedCompositeFieldContainer[Accuracy]
    privacy: _containers.RepeatedCompositeFieldContainer[PrivacyLoss]
    def __init__(self, admitted: bool = ..., refusal: _Optional[_Union[RefusalSummary, _Mapping]] = ..., treatment: _Optional[str] = ..., statement: _Optional[str] = ..., cost: _Optional[_Mapping[str, int]] = ..., remaining: _Optional[_Mapping[str, int]] = ..., policies: _Optional[_Iterable[str]] = ..., uses: _Optional[_Iterable[_Union[ColumnUse, _Mapping]]] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., obligations: _Optional[_Iterable[str]] = ..., outcomes: _Optional[_Iterable[_Union[Outcome, _Mapping]]] = ..., rules: _Optional[_Iterable[_Union[Notice, _Mapping]]] = ..., notices: _Optional[_Iterable[_Union[Notice, _Mapping]]] = ..., shape: _Optional[str] = ..., accuracy: _Optional[_Iterable[_Union[Accuracy, _Mapping]]] = ..., privacy: _Optional[_Iterable[_Union[PrivacyLoss, _Mapping]]] = ...) -> None: ...

class Outcome(_message.Message):
    __slots__ = ("name", "type", "kind", "message", "message_zh")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    kind: str
    message: str
    message_zh: str
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., kind: _Optional[str] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ...) -> None: ...

class RefusalSummary(_message.Message):
    __slots__ = ("code", "message", "hint", "message_zh", "hint_zh", "line", "column", "rule", "policy_version", "details")
    class DetailsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    HINT_ZH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    hint: str
    message_zh: str
    hint_zh: str
    line: int
    column: int
    rule: str
    policy_version: str
    details: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., hint: _Optional[str] = ..., message_zh: _Optional[str] = ..., hint_zh: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., rule: _Optional[str] = ..., policy_version: _Optional[str] = ..., details: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ColumnUse(_message.Message):
    __slots__ = ("table", "column", "clause", "function")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    CLAUSE_FIELD_NUMBER: _ClassVar[int]
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    table: str
    column: str
    clause: str
    function: str
    def __init__(self, table: _Optional[str] = ..., column: _Optional[str] = ..., clause: _Optional[str] = ..., function: _Optional[str] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "nullable", "level", "role", "description", "rights", "bounds", "permissions", "element", "domain")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_FIELD_NUMBER: _ClassVar[int]
    ROLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    PERMISSIONS_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    nullable: bool
    level: int
    role: str
    description: str
    rights: _containers.RepeatedScalarFieldContainer[str]
    bounds: str
    permissions: _containers.RepeatedCompositeFieldContainer[Permission]
    element: str
    domain: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., nullable: bool = ..., level: _Optional[int] = ..., role: _Optional[str] = ..., description: _Optional[str] = ..., rights: _Optional[_Iterable[str]] = ..., bounds: _Optional[str] = ..., permissions: _Optional[_Iterable[_Union[Permission, _Mapping]]] = ..., element: _Optional[str] = ..., domain: _Optional[_Iterable[str]] = ...) -> None: ...

class Permission(_message.Message):
    __slots__ = ("treatment", "rights", "purposes", "rows")
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    RIGHTS_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    treatment: str
    rights: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[str]
    rows: str
    def __init__(self, treatment: _Optional[str] = ..., rights: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[str]] = ..., rows: _Optional[str] = ...) -> None: ...

class Table(_message.Message):
    __slots__ = ("schema", "name", "title", "owner", "space", "refresh", "as_of", "columns", "units", "purposes", "verbs", "version", "rows", "created", "themes")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    SPACE_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    VERBS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    THEMES_FIELD_NUMBER: _ClassVar[int]
    schema: str
    name: str
    title: str
    owner: str
    space: str
    refresh: str
    as_of: str
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    units: _containers.RepeatedScalarFieldContainer[str]
    purposes: _containers.RepeatedScalarFieldContainer[str]
    verbs: _containers.RepeatedScalarFieldContainer[str]
    version: str
    rows: int
    created: str
    themes: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, schema: _Optional[str] = ..., name: _Optional[str] = ..., title: _Optional[str] = ..., owner: _Optional[str] = ..., space: _Optional[str] = ..., refresh: _Optional[str] = ..., as_of: _Optional[str] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., units: _Optional[_Iterable[str]] = ..., purposes: _Optional[_Iterable[str]] = ..., verbs: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., rows: _Optional[int] = ..., created: _Optional[str] = ..., themes: _Optional[_Iterable[str]] = ...) -> None: ...

class ListTablesRequest(_message.Message):
    __slots__ = ("own_only",)
    OWN_ONLY_FIELD_NUMBER: _ClassVar[int]
    own_only: bool
    def __init__(self, own_only: bool = ...) -> None: ...

class ListTablesResponse(_message.Message):
    __slots__ = ("tables",)
    TABLES_FIELD_NUMBER: _ClassVar[int]
    tables: _containers.RepeatedCompositeFieldContainer[Table]
    def __init__(self, tables: _Optional[_Iterable[_Union[Table, _Mapping]]] = ...) -> None: ...

class UploadTableRequest(_message.Message):
    __slots__ = ("header", "arrow", "end")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    header: UploadHeader
    arrow: bytes
    end: UploadEnd
    def __init__(self, header: _Optional[_Union[UploadHeader, _Mapping]] = ..., arrow: _Optional[bytes] = ..., end: _Optional[_Union[UploadEnd, _Mapping]] = ...) -> None: ...

class UploadHeader(_message.Message):
    __slots__ = ("name", "replace", "upload_id", "offset")
    NAME_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    name: str
    replace: bool
    upload_id: str
    offset: int
    def __init__(self, name: _Optional[str] = ..., replace: bool = ..., upload_id: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class UploadEnd(_message.Message):
    __slots__ = ("sha256",)
    SHA256_FIELD_NUMBER: _ClassVar[int]
    sha256: bytes
    def __init__(self, sha256: _Optional[bytes] = ...) -> None: ...

class GetUploadRequest(_message.Message):
    __slots__ = ("upload_id",)
    UPLOAD_ID_FIELD_NUMBER: _ClassVar[int]
    upload_id: str
    def __init__(self, upload_id: _Optional[str] = ...) -> None: ...

class GetUploadResponse(_message.Message):
    __slots__ = ("received", "sha256")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    received: int
    sha256: bytes
    def __init__(self, received: _Optional[int] = ..., sha256: _Optional[bytes] = ...) -> None: ...

class UploadTableResponse(_message.Message):
    __slots__ = ("table", "held")
    TABLE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    table: Table
    held: _containers.RepeatedCompositeFieldContainer[HeldIdentifier]
    def __init__(self, table: _Optional[_Union[Table, _Mapping]] = ..., held: _Optional[_Iterable[_Union[HeldIdentifier, _Mapping]]] = ...) -> None: ...

class HeldIdentifier(_message.Message):
    __slots__ = ("column", "element", "texts")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    TEXTS_FIELD_NUMBER: _ClassVar[int]
    column: str
    element: str
    texts: int
    def __init__(self, column: _Optional[str] = ..., element: _Optional[str] = ..., texts: _Optional[int] = ...) -> None: ...

class DropTableRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class DropTableResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListQueriesRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListQueriesResponse(_message.Message):
    __slots__ = ("queries", "next_page_token")
    QUERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    queries: _containers.RepeatedCompositeFieldContainer[QueryRecord]
    next_page_token: str
    def __init__(self, queries: _Optional[_Iterable[_Union[QueryRecord, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class QueryRecord(_message.Message):
    __slots__ = ("request_id", "time", "purpose", "sql", "state", "code", "treatment", "cost", "log_index", "rows")
    class CostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    TREATMENT_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    time: str
    purpose: str
    sql: str
    state: str
    code: str
    treatment: str
    cost: _containers.ScalarMap[str, int]
    log_index: int
    rows: int
    def __init__(self, request_id: _Optional[str] = ..., time: _Optional[str] = ..., purpose: _Optional[str] = ..., sql: _Optional[str] = ..., state: _Optional[str] = ..., code: _Optional[str] = ..., treatment: _Optional[str] = ..., cost: _Optional[_Mapping[str, int]] = ..., log_index: _Optional[int] = ..., rows: _Optional[int] = ...) -> None: ...

class GetReceiptRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class GetReceiptResponse(_message.Message):
    __slots__ = ("receipt",)
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    receipt: bytes
    def __init__(self, receipt: _Optional[bytes] = ...) -> None: ...

class GetHeadRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetHeadResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: str
    def __init__(self, checkpoint: _Optional[str] = ...) -> None: ...

class RegisterKeyRequest(_message.Message):
    __slots__ = ("modulus", "proof", "expires", "signature")
    MODULUS_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    modulus: bytes
    proof: bytes
    expires: str
    signature: bytes
    def __init__(self, modulus: _Optional[bytes] = ..., proof: _Optional[bytes] = ..., expires: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RegisterKeyResponse(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: SealingKey
    def __init__(self, key: _Optional[_Union[SealingKey, _Mapping]] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListKeysResponse(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[SealingKey]
    def __init__(self, keys: _Optional[_Iterable[_Union[SealingKey, _Mapping]]] = ...) -> None: ...

class SealingKey(_message.Message):
    __slots__ = ("kid", "bits", "registered", "expires", "current", "log_index")
    KID_FIELD_NUMBER: _ClassVar[int]
    BITS_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    kid: str
    bits: int
    registered: str
    expires: str
    current: bool
    log_index: int
    def __init__(self, kid: _Optional[str] = ..., bits: _Optional[int] = ..., registered: _Optional[str] = ..., expires: _Optional[str] = ..., current: bool = ..., log_index: _Optional[int] = ...) -> None: ...
