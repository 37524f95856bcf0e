from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RequestCertificateRequest(_message.Message):
    __slots__ = ("request", "expires", "signature")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    request: bytes
    expires: str
    signature: bytes
    def __init__(self, request: _Optional[bytes] = ..., expires: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RequestCertificateResponse(_message.Message):
    __slots__ = ("request",)
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    request: CertificateRequest
    def __init__(self, request: _Optional[_Union[CertificateRequest, _Mapping]] = ...) -> None: ...

class ListCertificatesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListCertificatesResponse(_message.Message):
    __slots__ = ("certificates", "requests")
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    certificates: _containers.RepeatedCompositeFieldContainer[PinnedCertificate]
    requests: _containers.RepeatedCompositeFieldContainer[CertificateRequest]
    def __init__(self, certificates: _Optional[_Iterable[_Union[PinnedCertificate, _Mapping]]] = ..., requests: _Optional[_Iterable[_Union[CertificateRequest, _Mapping]]] = ...) -> None: ...

class PinnedCertificate(_message.Message):
    __slots__ = ("fingerprint", "not_before", "not_after", "calling", "state")
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    NOT_BEFORE_FIELD_NUMBER: _ClassVar[int]
    NOT_AFTER_FIELD_NUMBER: _ClassVar[int]
    CALLING_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    fingerprint: str
    not_before: str
    not_after: str
    calling: bool
    state: str
    def __init__(self, fingerprint: _Optional[str] = ..., not_before: _Optional[str] = ..., not_after: _Optional[str] = ..., calling: bool = ..., state: _Optional[str] = ...) -> None: ...

class CertificateRequest(_message.Message):
    __slots__ = ("id", "key_sha256", "requested", "state", "certificate")
    ID_FIELD_NUMBER: _ClassVar[int]
    KEY_SHA256_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    id: str
    key_sha256: str
    requested: str
    state: str
    certificate: bytes
    def __init__(self, id: _Optional[str] = ..., key_sha256: _Optional[str] = ..., requested: _Optional[str] = ..., state: _Optional[str] = ..., certificate: _Optional[bytes] = ...) -> None: ...

class ListInstitutionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListInstitutionsResponse(_message.Message):
    __slots__ = ("institutions", "problem")
    INSTITUTIONS_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    institutions: _containers.RepeatedCompositeFieldContainer[RegisteredInstitution]
    problem: str
    def __init__(self, institutions: _Optional[_Iterable[_Union[RegisteredInstitution, _Mapping]]] = ..., problem: _Optional[str] = ...) -> None: ...

class RegisteredInstitution(_message.Message):
    __slots__ = ("id", "type", "title", "groups", "certificates", "suspension", "requests")
    ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATES_FIELD_NUMBER: _ClassVar[int]
    SUSPENSION_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    type: str
    title: str
    groups: _containers.RepeatedScalarFieldContainer[str]
    certificates: _containers.RepeatedCompositeFieldContainer[PinnedCertificate]
    suspension: Suspension
    requests: int
    def __init__(self, id: _Optional[str] = ..., type: _Optional[str] = ..., title: _Optional[str] = ..., groups: _Optional[_Iterable[str]] = ..., certificates: _Optional[_Iterable[_Union[PinnedCertificate, _Mapping]]] = ..., suspension: _Optional[_Union[Suspension, _Mapping]] = ..., requests: _Optional[int] = ...) -> None: ...

class Suspension(_message.Message):
    __slots__ = ("since", "by", "reason", "resume_by", "resume_reason", "log_index")
    SINCE_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RESUME_BY_FIELD_NUMBER: _ClassVar[int]
    RESUME_REASON_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    since: str
    by: str
    reason: str
    resume_by: str
    resume_reason: str
    log_index: int
    def __init__(self, since: _Optional[str] = ..., by: _Optional[str] = ..., reason: _Optional[str] = ..., resume_by: _Optional[str] = ..., resume_reason: _Optional[str] = ..., log_index: _Optional[int] = ...) -> None: ...

class SuspendInstitutionRequest(_message.Message):
    __slots__ = ("institution", "reason")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    institution: str
    reason: str
    def __init__(self, institution: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class SuspendInstitutionResponse(_message.Message):
    __slots__ = ("suspension",)
    SUSPENSION_FIELD_NUMBER: _ClassVar[int]
    suspension: Suspension
    def __init__(self, suspension: _Optional[_Union[Suspension, _Mapping]] = ...) -> None: ...

class ResumeInstitutionRequest(_message.Message):
    __slots__ = ("institution", "reason")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    institution: str
    reason: str
    def __init__(self, institution: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class ResumeInstitutionResponse(_message.Message):
    __slots__ = ("suspension",)
    SUSPENSION_FIELD_NUMBER: _ClassVar[int]
    suspension: Suspension
    def __init__(self, suspension: _Optional[_Union[Suspension, _Mapping]] = ...) -> None: ...
