from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetPolicyStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetPolicyStatusResponse(_message.Message):
    __slots__ = ("running_bundle", "signed_bundle", "logged_bundle", "same", "problem", "catalog", "serials", "officer", "department", "since")
    class SerialsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    RUNNING_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    SIGNED_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    LOGGED_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    SAME_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    SERIALS_FIELD_NUMBER: _ClassVar[int]
    OFFICER_FIELD_NUMBER: _ClassVar[int]
    DEPARTMENT_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    running_bundle: str
    signed_bundle: str
    logged_bundle: str
    same: bool
    problem: str
    catalog: str
    serials: _containers.ScalarMap[str, int]
    officer: str
    department: str
    since: str
    def __init__(self, running_bundle: _Optional[str] = ..., signed_bundle: _Optional[str] = ..., logged_bundle: _Optional[str] = ..., same: bool = ..., problem: _Optional[str] = ..., catalog: _Optional[str] = ..., serials: _Optional[_Mapping[str, int]] = ..., officer: _Optional[str] = ..., department: _Optional[str] = ..., since: _Optional[str] = ...) -> None: ...

class ListPolicyVersionsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPolicyVersionsResponse(_message.Message):
    __slots__ = ("versions", "documents")
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[PolicyVersion]
    documents: _containers.RepeatedCompositeFieldContainer[PolicyDocument]
    def __init__(self, versions: _Optional[_Iterable[_Union[PolicyVersion, _Mapping]]] = ..., documents: _Optional[_Iterable[_Union[PolicyDocument, _Mapping]]] = ...) -> None: ...

class PolicyDocument(_message.Message):
    __slots__ = ("id", "owner", "title", "serial", "signers", "state")
    ID_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    id: str
    owner: str
    title: str
    serial: int
    signers: _containers.RepeatedScalarFieldContainer[str]
    state: str
    def __init__(self, id: _Optional[str] = ..., owner: _Optional[str] = ..., title: _Optional[str] = ..., serial: _Optional[int] = ..., signers: _Optional[_Iterable[str]] = ..., state: _Optional[str] = ...) -> None: ...

class PolicyVersion(_message.Message):
    __slots__ = ("name", "id", "serial", "owner", "state", "effective", "expires", "submitter", "four_eyes", "signers", "waits", "ordered_by")
    NAME_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    SUBMITTER_FIELD_NUMBER: _ClassVar[int]
    FOUR_EYES_FIELD_NUMBER: _ClassVar[int]
    SIGNERS_FIELD_NUMBER: _ClassVar[int]
    WAITS_FIELD_NUMBER: _ClassVar[int]
    ORDERED_BY_FIELD_NUMBER: _ClassVar[int]
    name: str
    id: str
    serial: int
    owner: str
    state: str
    effective: str
    expires: str
    submitter: str
    four_eyes: bool
    signers: _containers.RepeatedScalarFieldContainer[str]
    waits: _containers.RepeatedScalarFieldContainer[str]
    ordered_by: str
    def __init__(self, name: _Optional[str] = ..., id: _Optional[str] = ..., serial: _Optional[int] = ..., owner: _Optional[str] = ..., state: _Optional[str] = ..., effective: _Optional[str] = ..., expires: _Optional[str] = ..., submitter: _Optional[str] = ..., four_eyes: bool = ..., signers: _Optional[_Iterable[str]] = ..., waits: _Optional[_Iterable[str]] = ..., ordered_by: _Optional[str] = ...) -> None: ...

class GetPolicyVersionRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetPolicyVersionResponse(_message.Message):
    __slots__ = ("version", "file")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    file: bytes
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ..., file: _Optional[bytes] = ...) -> None: ...

class GetPolicyDocumentRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class GetPolicyDocumentResponse(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class LintPolicyRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class LintPolicyResponse(_message.Message):
    __slots__ = ("findings",)
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    def __init__(self, findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ...) -> None: ...

class PolicyFinding(_message.Message):
    __slots__ = ("line", "column", "severity", "code", "message", "message_zh", "hint", "hint_zh")
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    HINT_ZH_FIELD_NUMBER: _ClassVar[int]
    line: int
    column: int
    severity: str
    code: str
    message: str
    message_zh: str
    hint: str
    hint_zh: str
    def __init__(self, line: _Optional[int] = ..., column: _Optional[int] = ..., severity: _Optional[str] = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ..., hint: _Optional[str] = ..., hint_zh: _Optional[str] = ...) -> None: ...

class TestPolicyRequest(_message.Message):
    __slots__ = ("text",)
    TEXT_FIELD_NUMBER: _ClassVar[int]
    text: str
    def __init__(self, text: _Optional[str] = ...) -> None: ...

class TestPolicyResponse(_message.Message):
    __slots__ = ("tests", "findings")
    TESTS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    tests: _containers.RepeatedCompositeFieldContainer[PolicyTest]
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    def __init__(self, tests: _Optional[_Iterable[_Union[PolicyTest, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ...) -> None: ...

class PolicyTest(_message.Message):
    __slots__ = ("name", "passed", "expected", "got")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    GOT_FIELD_NUMBER: _ClassVar[int]
    name: str
    passed: bool
    expected: str
    got: str
    def __init__(self, name: _Optional[str] = ..., passed: bool = ..., expected: _Optional[str] = ..., got: _Optional[str] = ...) -> None: ...

class DiffPolicyRequest(_message.Message):
    __slots__ = ("text", "version")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    text: str
    version: str
    def __init__(self, text: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class DiffPolicyResponse(_message.Message):
    __slots__ = ("changes", "findings")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[PolicyChange]
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    def __init__(self, changes: _Optional[_Iterable[_Union[PolicyChange, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ...) -> None: ...

class PolicyChange(_message.Message):
    __slots__ = ("direction", "told")
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    TOLD_FIELD_NUMBER: _ClassVar[int]
    direction: str
    told: str
    def __init__(self, direction: _Optional[str] = ..., told: _Optional[str] = ...) -> None: ...

class ExplainPolicyRequest(_message.Message):
    __slots__ = ("institution", "purpose", "sql", "dialect", "text")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    institution: str
    purpose: str
    sql: str
    dialect: str
    text: str
    def __init__(self, institution: _Optional[str] = ..., purpose: _Optional[str] = ..., sql: _Optional[str] = ..., dialect: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class ExplainPolicyResponse(_message.Message):
    __slots__ = ("outcome", "message", "message_zh", "hint", "hint_zh", "line", "column", "findings")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    HINT_FIELD_NUMBER: _ClassVar[int]
    HINT_ZH_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    outcome: PolicyOutcome
    message: str
    message_zh: str
    hint: str
    hint_zh: str
    line: int
    column: int
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    def __init__(self, outcome: _Optional[_Union[PolicyOutcome, _Mapping]] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ..., hint: _Optional[str] = ..., hint_zh: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ...) -> None: ...

class PolicyOutcome(_message.Message):
    __slots__ = ("verdict", "rule", "cost", "terms")
    class CostEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    RULE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    verdict: str
    rule: str
    cost: _containers.ScalarMap[str, int]
    terms: str
    def __init__(self, verdict: _Optional[str] = ..., rule: _Optional[str] = ..., cost: _Optional[_Mapping[str, int]] = ..., terms: _Optional[str] = ...) -> None: ...

class DraftGrantsRequest(_message.Message):
    __slots__ = ("institution", "purpose", "sql", "dialect")
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    SQL_FIELD_NUMBER: _ClassVar[int]
    DIALECT_FIELD_NUMBER: _ClassVar[int]
    institution: str
    purpose: str
    sql: str
    dialect: str
    def __init__(self, institution: _Optional[str] = ..., purpose: _Optional[str] = ..., sql: _Optional[str] = ..., dialect: _Optional[str] = ...) -> None: ...

class DraftGrantsResponse(_message.Message):
    __slots__ = ("text", "legal", "code", "message", "message_zh")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LEGAL_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_ZH_FIELD_NUMBER: _ClassVar[int]
    text: str
    legal: bool
    code: str
    message: str
    message_zh: str
    def __init__(self, text: _Optional[str] = ..., legal: bool = ..., code: _Optional[str] = ..., message: _Optional[str] = ..., message_zh: _Optional[str] = ...) -> None: ...

class SimulatePolicyRequest(_message.Message):
    __slots__ = ("text", "version", "days", "examples")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DAYS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    text: str
    version: str
    days: int
    examples: int
    def __init__(self, text: _Optional[str] = ..., version: _Optional[str] = ..., days: _Optional[int] = ..., examples: _Optional[int] = ...) -> None: ...

class SimulatePolicyResponse(_message.Message):
    __slots__ = ("asked", "distinct", "judged", "erased", "unknown", "finished", "moves", "findings")
    ASKED_FIELD_NUMBER: _ClassVar[int]
    DISTINCT_FIELD_NUMBER: _ClassVar[int]
    JUDGED_FIELD_NUMBER: _ClassVar[int]
    ERASED_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    MOVES_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    asked: int
    distinct: int
    judged: int
    erased: int
    unknown: int
    finished: bool
    moves: _containers.RepeatedCompositeFieldContainer[PolicyMove]
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    def __init__(self, asked: _Optional[int] = ..., distinct: _Optional[int] = ..., judged: _Optional[int] = ..., erased: _Optional[int] = ..., unknown: _Optional[int] = ..., finished: bool = ..., moves: _Optional[_Iterable[_Union[PolicyMove, _Mapping]]] = ..., findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ...) -> None: ...

class PolicyMove(_message.Message):
    __slots__ = ("before", "after", "questions", "examples")
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    before: str
    after: str
    questions: int
    examples: _containers.RepeatedCompositeFieldContainer[PolicyExample]
    def __init__(self, before: _Optional[str] = ..., after: _Optional[str] = ..., questions: _Optional[int] = ..., examples: _Optional[_Iterable[_Union[PolicyExample, _Mapping]]] = ...) -> None: ...

class PolicyExample(_message.Message):
    __slots__ = ("entry", "institution", "purpose", "times", "before", "after")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    INSTITUTION_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    entry: int
    institution: str
    purpose: str
    times: int
    before: PolicyOutcome
    after: PolicyOutcome
    def __init__(self, entry: _Optional[int] = ..., institution: _Optional[str] = ..., purpose: _Optional[str] = ..., times: _Optional[int] = ..., before: _Optional[_Union[PolicyOutcome, _Mapping]] = ..., after: _Optional[_Union[PolicyOutcome, _Mapping]] = ...) -> None: ...

class SubmitPolicyRequest(_message.Message):
    __slots__ = ("text", "effective", "expires")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_FIELD_NUMBER: _ClassVar[int]
    text: str
    effective: str
    expires: str
    def __init__(self, text: _Optional[str] = ..., effective: _Optional[str] = ..., expires: _Optional[str] = ...) -> None: ...

class SubmitPolicyResponse(_message.Message):
    __slots__ = ("version", "file", "findings", "tests")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FILE_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    TESTS_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    file: bytes
    findings: _containers.RepeatedCompositeFieldContainer[PolicyFinding]
    tests: _containers.RepeatedCompositeFieldContainer[PolicyTest]
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ..., file: _Optional[bytes] = ..., findings: _Optional[_Iterable[_Union[PolicyFinding, _Mapping]]] = ..., tests: _Optional[_Iterable[_Union[PolicyTest, _Mapping]]] = ...) -> None: ...

class ApprovePolicyRequest(_message.Message):
    __slots__ = ("name", "officer", "signature")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OFFICER_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    name: str
    officer: str
    signature: bytes
    def __init__(self, name: _Optional[str] = ..., officer: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...

class ApprovePolicyResponse(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ...) -> None: ...

class ActivatePolicyRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ActivatePolicyResponse(_message.Message):
    __slots__ = ("version", "running_bundle")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    RUNNING_BUNDLE_FIELD_NUMBER: _ClassVar[int]
    version: PolicyVersion
    running_bundle: str
    def __init__(self, version: _Optional[_Union[PolicyVersion, _Mapping]] = ..., running_bundle: _Optional[str] = ...) -> None: ...

class RevokePolicyRequest(_message.Message):
    __slots__ = ("revocation",)
    REVOCATION_FIELD_NUMBER: _ClassVar[int]
    revocation: bytes
    def __init__(self, revocation: _Optional[bytes] = ...) -> None: ...

class RevokePolicyResponse(_message.Message):
    __slots__ = ("id", "serial")
    ID_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    serial: int
    def __init__(self, id: _Optional[str] = ..., serial: _Optional[int] = ...) -> None: ...
