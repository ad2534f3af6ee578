"""Build the site, English and Chinese: `python docs/make_site.py`, then open `site/index.html`.

The lessons are run first, so that their pictures and outputs are of this very code. Pages are gathered, a folder for
each language, with their links turned: to a page of the same language, to a page that shows a source file, or to the
site of the other language. A paragraph that is only a link to a page of its own, such as one of `moving`, shows that
page in a frame. Sphinx builds each folder, a warning being an error. The site needs no network.
"""

import argparse
import html
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import lessons

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MOVING = HERE / "moving"
HOMES = {"en": "docs/index.md", "zh": "docs/zh/index.md"}
SPHINX_NAMES = {"en": "en", "zh": "zh_CN"}
GROUPS = {
    "en": {
        "Lessons": [f"docs/lessons/{page.name}" for page in lessons.PAGES],
        "Reference": [f"docs/{page.name}" for page in sorted(HERE.glob("*.md")) if page.name != "index.md"],
        "Project": ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"],
    },
    "zh": {
        "课程": [f"docs/zh/lessons/{page.name}" for page in lessons.PAGES],
        "参考": [f"docs/zh/{page.name}" for page in sorted(HERE.glob("zh/*.md")) if page.name != "index.md"],
        "项目": ["README.zh-CN.md"],
    },
}
# Its words may be a picture.
_LINK = re.compile(r"(!?)\[((?:!\[[^\]]*\]\([^)]*\)|[^\]])*)\]\((?!\w+:)([^)\s#]+)(#[^)\s]*)?\)")
# A paragraph that is only a link to a page of its own.
_ALONE = re.compile(r"(?<=\n\n)\[([^\]]*)\]\((?!\w+:)([^)\s#]+\.html)\)(?=\n(?:\n|\Z))")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def language_of(path: str) -> str:
    """Return the language of whose site a file of the repository is a part."""
    return "zh" if path.startswith("docs/zh/") or path.endswith(".zh-CN.md") else "en"


def place_of(path: str) -> str:
    """Return where a file of the repository lies in its language's folder; every page is a .md there."""
    place = path.removeprefix("docs/").removeprefix("zh/").replace("README.zh-CN.md", "README.md")
    return place if place.endswith(".md") else f"{place}.md"


def listed(language: str) -> list[str]:
    """Return the pages of a language that its contents name."""
    return [path for paths in GROUPS[language].values() for path in paths]


class Folder:
    """The gathered pages of one language."""

    def __init__(self, language: str, root: Path, pictures: Path) -> None:
        self.language, self.root, self.pictures = language, root, pictures
        self.gathered: set[str] = set()
        self.beside: set[Path] = set()

    def gather(self, path: str) -> None:
        """Bring a page or a source file, and what it leads to."""
        if path in self.gathered:
            return
        self.gathered.add(path)
        if not (ROOT / path).is_file():
            raise SystemExit(f"make_site: there is no {path}")
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".md"):
            parts = _FENCE.split(text)
            text = "".join(part if i % 2 else self._turned(part, path) for i, part in enumerate(parts))
        else:
            text = f"# {path}\n\n`````{{code-block}} python\n:linenos:\n\n{text}`````\n"
        if path == HOMES[self.language]:
            text += "".join(map(self._contents, GROUPS[self.language].items()))
        target = self.root / place_of(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path not in (HOMES[self.language], *listed(self.language)):
            text = f"---\norphan: true\n---\n\n{text}"
        target.write_text(text, encoding="utf-8")

    def _contents(self, group: tuple[str, list[str]]) -> str:
        caption, paths = group
        places = [place_of(path).removesuffix(".md") for path in paths]
        # Its own heading is the project's name, which is that of the first page too.
        entries = "\n".join("README <README>" if place == "README" else place for place in places)
        return f"\n```{{toctree}}\n:caption: {caption}\n:hidden:\n\n{entries}\n```\n"

    def _turned(self, text: str, path: str) -> str:
        here = posixpath.dirname(place_of(path)) or "."

        def turned(match: re.Match[str]) -> str:
            image, words, link, anchor = match.groups()
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
            if image:
                return f"![{words}]({posixpath.relpath(self._picture(target), here)})"
            words = _LINK.sub(turned, words)
            if target.endswith(".html"):
                return f'<a href="{self._own(target, here)}">{words}</a>'
            place = place_of(target)
            if language_of(target) == self.language:
                self.gather(target)
                return f"[{words}]({posixpath.relpath(place, here)}{anchor or ''})"
            # The Chinese site lies in the folder zh of the English one.
            other = posixpath.join("zh", place) if self.language == "en" else posixpath.join("..", place)
            page = posixpath.relpath(other, here).removesuffix(".md") + ".html"
            return f'<a href="{page}{anchor or ""}">{words}</a>'

        def framed(match: re.Match[str]) -> str:
            words, link = match.groups()
            page = self._own(posixpath.normpath(posixpath.join(posixpath.dirname(path), link)), here)
            frame = f'<iframe src="{page}" title="{html.escape(words)}" loading="lazy"></iframe>'
            return f'<div class="moving">\n{frame}\n<a href="{page}">{words}</a>\n</div>'

        return _LINK.sub(turned, _ALONE.sub(framed, text))

    def _own(self, target: str, here: str) -> str:
        """Return where a page of its own lies, seen from the folder `here`; both languages share those of MOVING."""
        source = self._drawn(target)
        if not source.is_file():
            raise SystemExit(f"make_site: there is no {target}")
        folder, end = "pictures", ""
        if source.parent == MOVING:
            folder, end = ("moving", "") if self.language == "en" else ("../moving", "?lang=zh")
        else:
            self.beside.add(source)
        return f"{posixpath.relpath(folder, here)}/{source.name}{end}"

    def _picture(self, target: str) -> str:
        source = self._drawn(target)
        kept = self.root / "pictures" / source.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, kept)
        return f"pictures/{source.name}"

    def _drawn(self, target: str) -> Path:
        kept = ROOT / target
        return self.pictures / kept.name if kept.parent == lessons.PICTURES else kept


def build(out: Path, pictures: Path) -> None:
    """Build both sites into `out` with the lessons' pictures from a folder; exit with Sphinx's words where it warns."""
    for language in GROUPS:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Folder(language, Path(temporary) / "pages", pictures)
            for path in (HOMES[language], *listed(language)):
                folder.gather(path)
            target = out if language == "en" else out / language
            options = ["--fail-on-warning", "--keep-going", "--quiet", "-c", HERE]
            options += ["-D", f"language={SPHINX_NAMES[language]}", "-d", Path(temporary) / "doctrees"]
            command = [sys.executable, "-m", "sphinx", *options, folder.root, target]
            done = subprocess.run(command, text=True, capture_output=True, check=False)
            if done.returncode:
                said = f"{done.stdout}{done.stderr}"
                raise SystemExit(f"make_site: the site of {language} was not built\n{said}")
            (target / "pictures").mkdir(exist_ok=True)
            for page in folder.beside:
                shutil.copy(page, target / "pictures")
    shutil.copytree(MOVING, out / "moving", dirs_exist_ok=True)


def main() -> None:
    """Run the lessons, then build."""
    parser = argparse.ArgumentParser(description="Run the lessons and build the site, English and Chinese.")
    parser.add_argument("--out", type=Path, default=ROOT / "site", help="where to (default: site)")
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as pictures:
        for page in lessons.PAGES:
            if any(block.printed != block.shown for block in lessons.run(page, Path(pictures))):
                raise SystemExit(f"make_site: {page.name} prints other than it shows; run docs/lessons.py")
        build(out, Path(pictures))
    print(f"built {out / 'index.html'}")


if __name__ == "__main__":
    main()
