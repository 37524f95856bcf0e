"""Data elements: check digits by the standards, tidying that changes nothing it is not sure of, masks that tell little."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric, uscc

from louver_sandbox.elements.dictionary import ELEMENTS
from louver_sandbox.elements.model import Defect
from louver_sandbox.elements.text import half_width, simplified, tidy

# Made up, with county codes that nobody has.
CREDIT_CODES = [
    "91110000600037341L",
    "91370291MA3TEKT122",
    "92370293MAC0TEY95H",
    "93370298MA94XRT80X",
    "12370292412345670C",
    "51370290MJX000018F",
]
CITIZENS = ["11010519491231002X", "370291199001011235", "370293198506150044", "370298197712319987"]

EVERY = st.sampled_from(sorted(ELEMENTS.values(), key=lambda element: element.code))


@pytest.mark.parametrize("code", CREDIT_CODES)
def test_a_credit_code_is_known_by_both_its_check_characters(code: str) -> None:
    defect = ELEMENTS["uscc"].defect
    assert defect(code) is None
    for place in range(17):
        if code[place] != code[place + 1]:
            swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
            assert defect(swapped) is not None
    for letter in "IOSVZ":
        assert defect(code[:10] + letter + code[11:]) is Defect.CHARACTERS


@pytest.mark.parametrize("number", CITIZENS)
def test_a_citizen_number_is_known_by_its_check_character(number: str) -> None:
    defect = ELEMENTS["citizen_number"].defect
    assert defect(number) is None
    for place, digit in enumerate(number[:17]):
        if 6 <= place < 14:
            continue  # another day may be none at all
        other = str((int(digit) + 1) % 10)
        assert defect(number[:place] + other + number[place + 1 :]) in (Defect.CHECK_DIGIT, Defect.REGION)


@pytest.mark.parametrize(
    ("element", "text", "defect"),
    [
        ("citizen_number", "370297200102290011", Defect.DATE),
        ("citizen_number", "110105491231002", Defect.LENGTH),
        ("citizen_number", "11010519491231002x", Defect.CHARACTERS),
        ("citizen_number", "991291199001011235", Defect.REGION),
        ("organisation_code", "MA3TEKT12", None),
        ("organisation_code", "MA3TEKT13", Defect.CHECK_DIGIT),
        ("subject_code", CREDIT_CODES[1], None),
        ("subject_code", CITIZENS[1], None),
        ("subject_code", CITIZENS[1][:-1] + "6", Defect.CHECK_DIGIT),
        ("subject_code", CREDIT_CODES[1][:-1] + "3", Defect.CHECK_DIGIT),
        ("bank_card", "4111111111111111", None),
        ("bank_card", "4111111111111112", Defect.CHECK_DIGIT),
        ("mobile", "13800138000", None),
        ("mobile", "12800138000", Defect.CHARACTERS),
        ("mobile", "１3800138000", Defect.CHARACTERS),
        ("property_unit", "370202001001GB00001F00010001", None),
        ("property_unit", "370202001001gb00001F00010001", Defect.FORM),
        ("region", "370202", None),
        ("region", "370282", None),  # 即墨市 is retired, and in papers for ever
        ("region", "370286", Defect.CODE),
        ("region", "37020", Defect.LENGTH),
        ("industry", "C3913", None),
        ("industry", "A3913", Defect.CODE),
        ("industry", "3913", Defect.FORM),
        ("section", "U", Defect.CODE),
        ("sex", "3", Defect.CODE),
        ("marriage", "20", None),
        ("education", "50", Defect.CODE),
        ("day", "2026-02-29", Defect.DATE),
        ("day", "2026-7-1", Defect.LENGTH),
        ("amount", "12.345", Defect.FORM),
        ("firm_name", "青島測試貿易", Defect.FORM),
        ("firm_name", "", Defect.LENGTH),
    ],
)
def test_what_is_wrong_is_said_and_the_value_is_not(element: str, text: str, defect: Defect | None) -> None:
    assert ELEMENTS[element].defect(text) is defect


@pytest.mark.parametrize(
    ("element", "written", "normal"),
    [
        ("citizen_number", "110105491231002", "11010519491231002X"),
        ("citizen_number", " 11010519491231002x", "11010519491231002X"),
        ("citizen_number", "１１０１０５１９４９１２３１００２Ｘ", "11010519491231002X"),
        ("uscc", "9137 0291-MA3T ekt122", "91370291MA3TEKT122"),
        ("firm_name", "青島測(cè)試貿易　有限公司", "青岛测试贸易 有限公司"),
        ("firm_name", "甲公司(青岛)", "甲公司(青岛)"),
        ("industry", "3913", "C3913"),
        ("industry", "c39", "C39"),
        ("day", "2026年7月1日", "2026-07-01"),
        ("day", "20260701", "2026-07-01"),
        ("day", "２０２６／７／１", "2026-07-01"),
        ("amount", "￥1,234.50", "1234.5"),
        ("amount", "3.5万元", "35000"),
        ("amount", "0.123元", "0.123元"),
        ("mobile", "+86 138-0013-8000", "13800138000"),
    ],
)
def test_what_is_certain_is_tidied(element: str, written: str, normal: str) -> None:
    assert ELEMENTS[element].normal(written) == normal


@pytest.mark.parametrize(
    ("element", "text", "shown"),
    [
        ("person_name", "王小明", "王**"),
        ("person_name", "欧阳修", "欧阳**"),
        ("citizen_number", "370291199001011235", "370291********1235"),
        ("citizen_number", "370291199001011236", "***"),
        ("subject_code", CREDIT_CODES[1], CREDIT_CODES[1]),
        ("subject_code", CITIZENS[1], "370291********1235"),
        ("mobile", "13800138000", "138****8000"),
        ("bank_card", "4111111111111111", "***1111"),
        ("address", "青岛市市南区香港中路1号", "青岛市市南区***"),
        ("address", "somewhere", "***"),
        ("amount", "123456", "10–20 万"),
        ("amount", "120000000", "≥ 10000 万"),
        ("amount", "-5", "< 0"),
        ("day", "2026-07-31", "2026-Q3"),
        ("sex", "1", "***"),
    ],
)
def test_a_mask_shows_what_a_report_may(element: str, text: str, shown: str) -> None:
    assert ELEMENTS[element].mask(text) == shown


@given(element=EVERY, text=st.text(max_size=40))
def test_no_text_is_too_strange(element: object, text: str) -> None:
    known = next(item for item in ELEMENTS.values() if item is element)
    normal = known.normal(text)
    assert known.normal(normal) == normal, "what is tidied stays"
    known.mask(text)
    if known.defect(text) is None:
        assert known.normal(text) == text or known.code in ("amount", "industry"), "a value has its normal form"


@given(st.integers(0, 99), st.integers(1, 12), st.integers(1, 28), st.integers(0, 999))
def test_old_citizen_numbers_get_the_century_and_the_check_character(
    year: int, month: int, day: int, sequence: int
) -> None:
    old = f"370291{year:02}{month:02}{day:02}{sequence:03}"
    number = ELEMENTS["citizen_number"].normal(old)
    assert ELEMENTS["citizen_number"].defect(number) is None
    assert number[:17] == f"{old[:6]}19{old[6:]}"
    assert number[17] == ric.calc_check_digit(number)


@given(st.text(alphabet=sorted(set("0123456789ABCDEFGHJKLMNPQRTUWXY")), min_size=8, max_size=8))
def test_a_credit_code_of_ours_is_one_for_others_too(body: str) -> None:
    checks = [letter for letter in "0123456789X" if ELEMENTS["organisation_code"].defect(body + letter) is None]
    first = f"91370291{body}{checks[0]}"
    code = first + uscc.calc_check_digit(first)
    assert len(checks) == 1
    assert ELEMENTS["uscc"].defect(code) is None
    assert uscc.is_valid(code)


@given(st.decimals(min_value=0, max_value=Decimal(10) ** 9, places=2))
def test_the_band_of_an_amount_holds_it(yuan: Decimal) -> None:
    band = ELEMENTS["amount"].mask(str(yuan)).removesuffix(" 万")
    if band.startswith("≥"):
        assert yuan >= 100_000_000
    else:
        low, high = (Decimal(part) * 10_000 for part in band.split("–"))
        assert low <= yuan < high


def test_texts_of_all_kinds_become_one() -> None:
    assert half_width("ＡＢＣ，１２３　") == "ABC,123 "
    assert tidy("\ufeff 政\u200b务  数(shù)据 ") == "政务 数据"
    assert simplified("中華人民共和囻") == "中华人民共和国"
