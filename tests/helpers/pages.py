"""Pages of the project as tests read them: a page's text, and its fenced blocks of one language."""

import re

from tests.helpers import ROOT


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), flags=re.DOTALL | re.MULTILINE)


def shell_lines(page: str) -> list[str]:
    """Return the lines of a page's blocks of shell commands."""
    return "".join(blocks(page, "sh")).splitlines()
