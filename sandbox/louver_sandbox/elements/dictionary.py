"""The dictionary: every data element by its code, as declarations name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from louver_sandbox.elements import codes, identifiers, masks
from louver_sandbox.elements.model import Defect, Element
from louver_sandbox.elements.text import simplified, tidy, without_blanks


def _as(normal: Callable[[str], str]) -> Callable[[str], Defect | None]:
    """The check of a text that has no form but its tidied one."""
    return lambda text: Defect.LENGTH if not text else None if text == normal(text) else Defect.FORM


ELEMENTS: Final[Mapping[str, Element]] = MappingProxyType(
    {
        element.code: element
        for element in (
            Element(
                "uscc",
                "unified social credit code",
                "统一社会信用代码",
                "GB 32100-2015",
                identifiers.credit_code_defect,
                identifiers.normal_code,
                masks.public,
            ),
            Element(
                "organisation_code",
                "organisation code",
                "组织机构代码",
                "GB 11714-1997",
                identifiers.organisation_code_defect,
                identifiers.normal_code,
                masks.public,
            ),
            Element(
                "citizen_number",
                "citizen number",
                "公民身份号码",
                "GB 11643-1999",
                identifiers.citizen_number_defect,
                identifiers.normal_citizen_number,
                masks.citizen_number,
            ),
            Element(
                "subject_code",
                "code of a subject",
                "主体代码",
                "GB 11643-1999, GB 32100-2015",
                identifiers.subject_code_defect,
                identifiers.normal_citizen_number,
                masks.subject_code,
            ),
            Element(
                "property_unit",
                "real estate unit number",
                "不动产单元号",
                "GB/T 37346-2019",
                identifiers.property_unit_defect,
                identifiers.normal_code,
                masks.whole,
            ),
            Element(
                "bank_card",
                "bank card number",
                "银行卡号",
                "ISO/IEC 7812-1",
                identifiers.bank_card_defect,
                identifiers.normal_code,
                masks.bank_card,
            ),
            Element(
                "mobile",
                "mobile number",
                "手机号码",
                "-",
                identifiers.mobile_defect,
                identifiers.normal_mobile,
                masks.mobile,
            ),
            Element("person_name", "name of a person", "姓名", "-", _as(tidy), tidy, masks.name),
            Element("firm_name", "name of a firm", "单位名称", "-", _as(simplified), simplified, masks.public),
            Element("address", "address", "地址", "-", _as(simplified), simplified, masks.address),
            Element(
                "region",
                "administrative division",
                "行政区划代码",
                "GB/T 2260",
                codes.region_defect,
                without_blanks,
                masks.public,
            ),
            Element(
                "industry",
                "industry",
                "国民经济行业代码",
                "GB/T 4754-2017",
                codes.industry_defect,
                codes.normal_industry,
                masks.public,
            ),
            Element(
                "section",
                "section of industry",
                "国民经济行业门类",
                "GB/T 4754-2017",
                codes.listed(frozenset(codes.SECTIONS)),
                without_blanks,
                masks.public,
            ),
            Element("sex", "sex", "性别", "GB/T 2261.1", codes.listed(codes.SEX), without_blanks, masks.whole),
            Element(
                "marriage",
                "marital status",
                "婚姻状况",
                "GB/T 2261.2",
                codes.listed(codes.MARRIAGE),
                without_blanks,
                masks.whole,
            ),
            Element(
                "education",
                "schooling",
                "学历",
                "GB/T 4658-2006",
                codes.education_defect,
                without_blanks,
                masks.whole,
            ),
            Element("day", "day", "日期", "GB/T 7408", codes.day_defect, codes.normal_day, masks.day),
            Element(
                "amount", "amount in yuan", "金额（元）", "-", codes.amount_defect, codes.normal_amount, masks.amount
            ),
        )
    }
)
