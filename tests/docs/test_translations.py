"""The Chinese pages keep step with the English ones: the same headings by level, the same blocks, links and numbers."""

import posixpath
import re
from collections import Counter

import pytest

import lessons
from tests.helpers import ROOT

DOCS = ROOT / "docs"
# The pages that scripts make of the package's tables and docstrings.
ENGLISH_ALONE = {f"docs/{name}.md" for name in ("api", "conformance", "licences", "rules")}
WRITTEN = [path.relative_to(ROOT).as_posix() for path in (*DOCS.glob("*.md"), *lessons.PAGES)]
PAIRS = {
    "README.md": "README.zh-CN.md",
    **{path: path.replace("docs/", "docs/zh/", 1) for path in sorted({*WRITTEN} - ENGLISH_ALONE)},
}
ENGLISH = {chinese: english for english, chinese in PAIRS.items()}


def prose(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def levels(text):
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def figures(text):
    """Return the numbers of two characters or more; smaller ones may be words."""
    return Counter(re.findall(r"\d[\d.,]*\d", re.sub(r"\]\([^)]*\)", "", prose(text))))


def targets(path, text):
    """Where the links of a page lead, a translation counting as its original and a place in a page as the page."""
    for link in re.findall(r"\]\((?!\w+:)([^)#]+)", prose(text)):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        yield ENGLISH.get(target, target)


@pytest.mark.parametrize(("english", "chinese"), PAIRS.items(), ids=PAIRS)
def test_a_translation_has_the_structure_of_its_original(english, chinese):
    original, translation = ((ROOT / path).read_text(encoding="utf-8") for path in (english, chinese))
    assert levels(translation) == levels(original), f"{chinese}: other headings than {english}"
    theirs, ours = lessons.blocks(translation), lessons.blocks(original)
    for (mark, block), (own_mark, own) in zip(ours, theirs, strict=False):
        assert own_mark == mark, f"{chinese}: {own_mark!r} where {english} has {mark!r}\n{own}"
        assert own == block, (
            f"{chinese}: run `python docs/fill_tables.py`, for a lesson `python docs/lessons.py`"
        )
    assert len(theirs) == len(ours), f"{chinese}: {len(theirs)} blocks, {english} has {len(ours)}"
    assert set(targets(chinese, translation)) == set(targets(english, original)), f"{chinese}: other links"
    assert figures(translation) == figures(original), f"{chinese}: other numbers"
    for mark in ("<details>", "$$", "![", "\n|"):
        assert translation.count(mark) == original.count(mark), f"{chinese}: {mark!r}"


def test_every_translation_has_its_original():
    pages = {str(path.relative_to(ROOT)) for path in [*DOCS.glob("zh/**/*.md"), *ROOT.glob("*.zh-CN.md")]}
    assert pages == set(PAIRS.values())


@pytest.mark.parametrize("path", PAIRS.values())
def test_a_link_leads_to_the_translation_or_is_marked(path):
    text = prose((ROOT / path).read_text(encoding="utf-8"))
    for words, link, behind in re.findall(r"\[([^\]]+)\]\((?!\w+:)([^)#]+\.md)[^)]*\)(.{0,4})", text):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if words == "English":
            assert PAIRS[target] == path
        else:
            assert target not in PAIRS, f"{path}: [{words}]({link}), where there is {PAIRS.get(target)}"
            assert (target in ENGLISH) != (behind == "（英文）"), f"{path}: [{words}]({link}){behind}"


@pytest.mark.parametrize("path", PAIRS.values())
def test_a_translation_is_in_chinese(path):
    text = prose((ROOT / path).read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)[1:]
    assert all(re.search("[\u4e00-\u9fff]", heading) for heading in headings if heading != "Docker"), headings
    assert len(re.findall("[\u4e00-\u9fff]", text)) > 200
