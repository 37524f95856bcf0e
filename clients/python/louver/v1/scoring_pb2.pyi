from louver.v1 import sandbox_pb2 as _sandbox_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListFeatureSetsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListFeatureSetsResponse(_message.Message):
    __slots__ = ("feature_sets",)
    FEATURE_SETS_FIELD_NUMBER: _ClassVar[int]
    feature_sets: _containers.RepeatedCompositeFieldContainer[FeatureSetEntry]
    def __init__(self, feature_sets: _Optional[_Iterable[_Union[FeatureSetEntry, _Mapping]]] = ...) -> None: ...

class FeatureSetEntry(_message.Message):
    __slots__ = ("name", "definition", "sha256")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    SHA256_FIELD_NUMBER: _ClassVar[int]
    name: str
    definition: str
    sha256: str
    def __init__(self, name: _Optional[str] = ..., definition: _Optional[str] = ..., sha256: _Optional[str] = ...) -> None: ...

class RegisterModelRequest(_message.Message):
    __slots__ = ("model", "version", "feature_set", "feature_set_sha256", "kid", "decimals", "rules_sha256", "content", "auditor", "audit_signature", "signature")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    KID_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    RULES_SHA256_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    AUDITOR_FIELD_NUMBER: _ClassVar[int]
    AUDIT_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    feature_set: str
    feature_set_sha256: str
    kid: str
    decimals: int
    rules_sha256: str
    content: bytes
    auditor: str
    audit_signature: bytes
    signature: bytes
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., feature_set: _Optional[str] = ..., feature_set_sha256: _Optional[str] = ..., kid: _Optional[str] = ..., decimals: _Optional[int] = ..., rules_sha256: _Optional[str] = ..., content: _Optional[bytes] = ..., auditor: _Optional[str] = ..., audit_signature: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RegisterModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: ModelEntry
    def __init__(self, model: _Optional[_Union[ModelEntry, _Mapping]] = ...) -> None: ...

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[ModelEntry]
    def __init__(self, models: _Optional[_Iterable[_Union[ModelEntry, _Mapping]]] = ...) -> None: ...

class ModelEntry(_message.Message):
    __slots__ = ("digest", "model", "version", "feature_set", "feature_set_sha256", "kid", "decimals", "auditor", "registered", "log_index", "ciphertexts")
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_FIELD_NUMBER: _ClassVar[int]
    FEATURE_SET_SHA256_FIELD_NUMBER: _ClassVar[int]
    KID_FIELD_NUMBER: _ClassVar[int]
    DECIMALS_FIELD_NUMBER: _ClassVar[int]
    AUDITOR_FIELD_NUMBER: _ClassVar[int]
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    CIPHERTEXTS_FIELD_NUMBER: _ClassVar[int]
    digest: str
    model: str
    version: str
    feature_set: str
    feature_set_sha256: str
    kid: str
    decimals: int
    auditor: str
    registered: str
    log_index: int
    ciphertexts: int
    def __init__(self, digest: _Optional[str] = ..., model: _Optional[str] = ..., version: _Optional[str] = ..., feature_set: _Optional[str] = ..., feature_set_sha256: _Optional[str] = ..., kid: _Optional[str] = ..., decimals: _Optional[int] = ..., auditor: _Optional[str] = ..., registered: _Optional[str] = ..., log_index: _Optional[int] = ..., ciphertexts: _Optional[int] = ...) -> None: ...

class RecordAuthorisationRequest(_message.Message):
    __slots__ = ("unit", "subject", "purpose", "scope", "granted_on", "expires_on", "evidence_sha256", "single_consent", "adverse_notice", "uses", "signature")
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
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
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
    signature: bytes
    def __init__(self, unit: _Optional[str] = ..., subject: _Optional[str] = ..., purpose: _Optional[str] = ..., scope: _Optional[_Iterable[str]] = ..., granted_on: _Optional[str] = ..., expires_on: _Optional[str] = ..., evidence_sha256: _Optional[str] = ..., single_consent: bool = ..., adverse_notice: bool = ..., uses: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class RecordAuthorisationResponse(_message.Message):
    __slots__ = ("id", "log_index")
    ID_FIELD_NUMBER: _ClassVar[int]
    LOG_INDEX_FIELD_NUMBER: _ClassVar[int]
    id: str
    log_index: int
    def __init__(self, id: _Optional[str] = ..., log_index: _Optional[int] = ...) -> None: ...

class RevokeAuthorisationRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class RevokeAuthorisationResponse(_message.Message):
    __slots__ = ("revoked",)
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    revoked: str
    def __init__(self, revoked: _Optional[str] = ...) -> None: ...

class Applicant(_message.Message):
    __slots__ = ("subject", "authorisation")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    AUTHORISATION_FIELD_NUMBER: _ClassVar[int]
    subject: str
    authorisation: str
    def __init__(self, subject: _Optional[str] = ..., authorisation: _Optional[str] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("request_id", "purpose", "model", "applicants", "expires", "signature")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    APPLICANTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    purpose: str
    model: str
    applicants: _containers.RepeatedCompositeFieldContainer[Applicant]
    expires: str
    signature: bytes
    def __init__(self, request_id: _Optional[str] = ..., purpose: _Optional[str] = ..., model: _Optional[str] = ..., applicants: _Optional[_Iterable[_Union[Applicant, _Mapping]]] = ..., expires: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("progress", "header", "content", "receipt")
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    HEADER_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_FIELD_NUMBER: _ClassVar[int]
    progress: _sandbox_pb2.Progress
    header: ScoreHeader
    content: bytes
    receipt: bytes
    def __init__(self, progress: _Optional[_Union[_sandbox_pb2.Progress, _Mapping]] = ..., header: _Optional[_Union[ScoreHeader, _Mapping]] = ..., content: _Optional[bytes] = ..., receipt: _Optional[bytes] = ...) -> None: ...

class ScoreHeader(_message.Message):
    __slots__ = ("request_id", "content_bytes", "content_sha256", "cost", "stored", "development")
    class CostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_BYTES_FIELD_NUMBER: _ClassVar[int]
    CONTENT_SHA256_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    DEVELOPMENT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    content_bytes: int
    content_sha256: bytes
    cost: _containers.ScalarMap[str, int]
    stored: bool
    development: bool
    def __init__(self, request_id: _Optional[str] = ..., content_bytes: _Optional[int] = ..., content_sha256: _Optional[bytes] = ..., cost: _Optional[_Mapping[str, int]] = ..., stored: bool = ..., development: bool = ...) -> None: ...
