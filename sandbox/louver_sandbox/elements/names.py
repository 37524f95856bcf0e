"""Names of persons, by form: a surname of those that nearly everybody has, and one or two characters.

A form proves nothing, as a check digit does: 高新区 has one too. So a name inside a text is one where the text says
so (姓名：王小明), and a column is of names where most of its many values have the form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from louver_sandbox.elements.text import tidy

_SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石"
    "姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕"
    "聂丛焦向柳邢路岳齐梅莫庄辛管祝左涂谷祁时舒耿牟卜路詹关苗凌费纪靳盛童欧甄项曲成游阳裴席卫查屈鲍位覃霍翁隋植甘景薄单包司柏宁柯"
)
_COMPOUND: Final = ("欧阳", "司马", "上官", "诸葛", "皇甫", "尉迟", "慕容", "司徒", "令狐", "公孙", "东方", "夏侯")
_HAN: Final = "\u3400-\u9fff"
_NAME: Final = re.compile(
    rf"(?:(?:{'|'.join(_COMPOUND)})[{_HAN}]{{1,2}}|[{_SURNAMES}][{_HAN}]{{1,2}}|[{_HAN}]{{2,6}}[·•][{_HAN}]{{2,8}})"
)
_SAID: Final = re.compile(
    "(?:姓名|联系人|联络人|法定代表人|法人代表|负责人|经办人|申请人|借款人|担保人|保证人|共同借款人|户主|当事人|被执行人|投保人|"
    rf"监护人|配偶|收件人|收款人|持卡人)[ ]?[:：为系是 ][ ]?{_NAME.pattern}"
)
MANY: Final = 30
"""Fewer different values are a list of codes."""
_SHARE: Final = 0.7


def is_name(text: str) -> bool:
    """Whether the whole text has the form of a name."""
    return _NAME.fullmatch(tidy(text)) is not None


def names_somebody(text: str) -> bool:
    """Whether the text says of somebody what he is called."""
    return _SAID.search(text) is not None


def are_names(texts: Iterable[str]) -> bool:
    """Whether different values of a column are names: many of them, and most of the form."""
    of_form = [is_name(text) for text in texts]
    return len(of_form) >= MANY and sum(of_form) >= _SHARE * len(of_form)
