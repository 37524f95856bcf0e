from louver.v1 import sandbox_pb2 as _sandbox_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListTemplatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListTemplatesResponse(_message.Message):
    __slots__ = ("templates",)
    TEMPLATES_FIELD_NUMBER: _ClassVar[int]
    templates: _containers.RepeatedCompositeFieldContainer[Template]
    def __init__(self, templates: _Optional[_Iterable[_Union[Template, _Mapping]]] = ...) -> None: ...

class Template(_message.Message):
    __slots__ = ("name", "title", "subject", "purposes", "parameters", "fields", "most_rows", "owner")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    MOST_ROWS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    subject: str
    purposes: _containers.RepeatedScalarFieldContainer[str]
    parameters: _containers.RepeatedCompositeFieldContainer[TemplateParameter]
    fields: _containers.RepeatedCompositeFieldContainer[TemplateField]
    most_rows: int
    owner: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., subject: _Optional[str] = ..., purposes: _Optional[_Iterable[str]] = ..., parameters: _Optional[_Iterable[_Union[TemplateParameter, _Mapping]]] = ..., fields: _Optional[_Iterable[_Union[TemplateField, _Mapping]]] = ..., most_rows: _Optional[int] = ..., owner: _Optional[str] = ...) -> None: ...

class TemplateParameter(_message.Message):
    __slots__ = ("name", "type", "title", "least", "most", "choices")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    MOST_FIELD_NUMBER: _ClassVar[int]
    CHOICES_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    title: str
    least: str
    most: str
    choices: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., title: _Optional[str] = ..., least: _Optional[str] = ..., most: _Optional[str] = ..., choices: _Optional[_Iterable[str]] = ...) -> None: ...

class TemplateField(_message.Message):
    __slots__ = ("name", "title", "show")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SHOW_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    show: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., show: _Optional[str] = ...) -> None: ...

class ListAuthorisationsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListAuthorisationsResponse(_message.Message):
    __slots__ = ("authorisations",)
    AUTHORISATIONS_FIELD_NUMBER: _ClassVar[int]
    authorisations: _containers.RepeatedCompositeFieldContainer[Authorisation]
    def __init__(self, authorisations: _Optional[_Iterable[_Union[Authorisation, _Mapping]]] = ...) -> None: ...

class Authorisation(_message.Message):
    __slots__ = ("id", "unit", "subject", "purpose", "scope", "granted_on", "expires_on", "evidence_sha256", "single_consent", "adverse_notice", "uses", "used", "revoked", "log_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    GRANTED_ON_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_ON_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_SHA256_FIELD_NUMBER: _ClassVar[int]
    SINGLE_CONSENT_FIELD_NUMBER: _ClassVar[int]
    ADVERSE_NOTICE_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    USED_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    unit: str
    subject: str
    purpose: str
    scope: _containers.RepeatedScalarFieldContainer[str]
    granted_on: str
    expires_on: str
    evidence_sha256: str
    single_consent: bool
    adverse_notice: bool
    uses: int
    used: int
    revoked: str
    log_index: int
    def __init__(self, id: _Optional[str] = ..., unit: _Optional[str] = ..., subject: _Optional[str] = ..., purpose: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., granted_on: _Optional[str] = ..., expires_on: _Optional[str] = ..., evidence_sha256: _Optional[str] = ..., single_consent: bool = ..., adverse_notice: bool = ..., uses: _Optional[int] = ..., used: _Optional[int] = ..., revoked: _Optional[str] = ..., log_index: _Optional[int] = ...) -> None: ...

class ListReportsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListReportsResponse(_message.Message):
    __slots__ = ("reports",)
    REPORTS_FIELD_NUMBER: _ClassVar[int]
    reports: _containers.RepeatedCompositeFieldContainer[ReportDefinition]
    def __init__(self, reports: _Optional[_Iterable[_Union[ReportDefinition, _Mapping]]] = ...) -> None: ...

class ReportDefinition(_message.Message):
    __slots__ = ("name", "title", "subject", "library", "purposes", "sections", "valid_days", "owner")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    SECTIONS_FIELD_NUMBER: _ClassVar[int]
    VALID_DAYS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    subject: str
    library: str
    purposes: _containers.RepeatedScalarFieldContainer[str]
    sections: _containers.RepeatedCompositeFieldContainer[ReportSection]
    valid_days: int
    owner: str
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., subject: _Optional[str] = ..., library: _Optional[str] = ..., purposes: _Optional[_Iterable[str]] = ..., sections: _Optional[_Iterable[_Union[ReportSection, _Mapping]]] = ..., valid_days: _Optional[int] = ..., owner: _Optional[str] = ...) -> None: ...

class ReportSection(_message.Message):
    __slots__ = ("title", "template")
    TITLE_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    title: str
    template: str
    def __init__(self, title: _Optional[str] = ..., template: _Optional[str] = ...) -> None: ...

class MakeReportRequest(_message.Message):
    __slots__ = ("question",)
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    question: _sandbox_pb2.Question
    def __init__(self, question: _Optional[_Union[_sandbox_pb2.Question, _Mapping]] = ...) -> None: ...

class MakeReportResponse(_message.Message):
    __slots__ = ("document", "receipt")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    receipt: bytes
    def __init__(self, document: _Optional[bytes] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class FileDisputeRequest(_message.Message):
    __slots__ = ("request_id", "table", "statement", "evidence_sha256")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    STATEMENT_FIELD_NUMBER: _ClassVar[int]
    EVIDENCE_SHA256_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    table: str
    statement: str
    evidence_sha256: str
    def __init__(self, request_id: _Optional[str] = ..., table: _Optional[str] = ..., statement: _Optional[str] = ..., evidence_sha256: _Optional[str] = ...) -> None: ...

class FileDisputeResponse(_message.Message):
    __slots__ = ("dispute",)
    DISPUTE_FIELD_NUMBER: _ClassVar[int]
    dispute: Dispute
    def __init__(self, dispute: _Optional[_Union[Dispute, _Mapping]] = ...) -> None: ...

class ListDisputesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListDisputesResponse(_message.Message):
    __slots__ = ("disputes",)
    DISPUTES_FIELD_NUMBER: _ClassVar[int]
    disputes: _containers.RepeatedCompositeFieldContainer[Dispute]
    def __init__(self, disputes: _Optional[_Iterable[_Union[Dispute, _Mapping]]] = ...) -> None: ...

class Dispute(_message.Message):
    __slots__ = ("id", "request_id", "table", "received", "due", "settled", "state", "outcome")
    ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    id: str
    request_id: str
    table: str
    received: str
    due: str
    settled: bool
    state: str
    outcome: str
    def __init__(self, id: _Optional[str] = ..., request_id: _Optional[str] = ..., table: _Optional[str] = ..., received: _Optional[str] = ..., due: _Optional[str] = ..., settled: bool = ..., state: _Optional[str] = ..., outcome: _Optional[str] = ...) -> None: ...

class ListCorrectionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCorrectionsResponse(_message.Message):
    __slots__ = ("corrections",)
    CORRECTIONS_FIELD_NUMBER: _ClassVar[int]
    corrections: _containers.RepeatedCompositeFieldContainer[Correction]
    def __init__(self, corrections: _Optional[_Iterable[_Union[Correction, _Mapping]]] = ...) -> None: ...

class Correction(_message.Message):
    __slots__ = ("id", "subject", "table", "kind", "effective", "received", "due", "request_ids", "delivered")
    ID_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TABLE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    DUE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_IDS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_FIELD_NUMBER: _ClassVar[int]
    id: str
    subject: str
    table: str
    kind: str
    effective: str
    received: str
    due: str
    request_ids: _containers.RepeatedScalarFieldContainer[str]
    delivered: str
    def __init__(self, id: _Optional[str] = ..., subject: _Optional[str] = ..., table: _Optional[str] = ..., kind: _Optional[str] = ..., effective: _Optional[str] = ..., received: _Optional[str] = ..., due: _Optional[str] = ..., request_ids: _Optional[_Iterable[str]] = ..., delivered: _Optional[str] = ...) -> None: ...
