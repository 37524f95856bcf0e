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
