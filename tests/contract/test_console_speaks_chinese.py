"""Every text of the console has its Chinese, with the same places to fill in, and no Chinese is for a text that is gone."""

from __future__ import annotations

import re
from importlib import resources

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from louver_server.languages import translations, wanted

PLACES = re.compile(r"%\((\w+)\)s")


@pytest.fixture(scope="module")
def said() -> set[str]:
    root = str(resources.files("louver_server"))
    found = extract_from_dir(
        root,
        method_map=[("**.py", "python"), ("**/templates/**.html", "jinja2")],
        options_map={"**/templates/**.html": {"encoding": "utf-8"}},
        keywords={"words": None, "marked": None, "_": None, "gettext": None},
    )
    return {text for _, _, text, _, _ in found if isinstance(text, str)}


def test_every_text_has_its_chinese_and_no_other_has(said: set[str]) -> None:
    with resources.files("louver_server").joinpath("locale", "zh", "messages.po").open("rb") as file:
        chinese = {str(one.id): str(one.string) for one in read_po(file, locale="zh", abort_invalid=True) if one.id}
    assert len(said) > 100
    assert said == set(chinese)
    for text, told in chinese.items():
        assert told.strip(), text
        assert sorted(PLACES.findall(text)) == sorted(PLACES.findall(told)), text


def test_pages_hold_no_text_that_is_not_translated() -> None:
    """What is left of a template without its tags, expressions and translated blocks is punctuation."""
    folder = resources.files("louver_server").joinpath("templates")
    checked = 0
    for file in folder.iterdir():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"%\(\w+\)s", text), (file.name, "what is filled in stands as {{ name }} in a template")
        text = re.sub(r"\{% trans.*?%\}.*?\{% endtrans %\}", "", text, flags=re.DOTALL)
        text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<code>.*?</code>|<[^>]*>|&\w+;", "", text, flags=re.DOTALL)
        words = set(re.findall(r"[A-Za-z一-鿿]{2,}", text)) - {"SQL", "CSV", "JSON", "Louver", "百叶", "Epsilon"}
        assert not words, (file.name, words)
        checked += 1
    assert checked > 10


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "zh"), ("en", "zh", "en"), ("xx", "en-GB,en;q=0.8", "en"), (None, "fr, en;q=0.5, zh;q=0.9", "zh"),
        (None, "en;q=0", "zh"), (None, "*", "zh"), (None, ";;;q=x,,", "zh"), (None, "en;q=" + "9" * 400, "en"),
    ],
)  # fmt: skip
def test_a_reader_gets_what_they_chose_or_their_browser_asks_for(
    chosen: str | None, accepted: str, language: str
) -> None:
    assert wanted(chosen, accepted) == language


def test_the_chinese_is_used() -> None:
    assert translations("zh").gettext("Ask") == "提问"
    assert translations("en").gettext("Ask") == "Ask"
