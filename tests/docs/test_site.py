"""The site is built with no warning, every link in it leads somewhere, and looking at it takes no network."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

import lessons
import make_site

for package in ("sphinx", "myst_parser", "furo"):
    pytest.importorskip(package, reason=f"{package} is not installed (pip install '.[docs]' brings it)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    make_site.build(out, lessons.PICTURES)
    return out


class Leads(HTMLParser):
    """Where a page leads to (`links`), what it loads (`loads`, `frames`), and what can be led to in it (`ids`)."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids, self.language = [], [], set(), None
        self.frames = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.ids.add(attributes.get("id"))
        if tag == "html":
            self.language = attributes["lang"]
        if tag == "iframe":
            self.frames.append(attributes)
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        elif tag == "link" and attributes.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(attributes["href"])
        elif tag != "a" and "src" in attributes:
            self.loads.append(attributes["src"])


def test_every_link_leads_to_a_page_and_a_place_in_it(site):
    pages = {path.resolve(): Leads(path) for path in site.rglob("*.html")}
    assert len(pages) > 2 * len(lessons.PAGES)
    dead = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"\w+:", link):
                continue
            place, _, anchor = link.partition("#")
            target = (path.parent / unquote(place.split("?")[0])).resolve() if place else path
            if not target.is_file() or (
                anchor and target in pages and unquote(anchor) not in pages[target].ids
            ):
                dead.append((str(path.relative_to(site.resolve())), link))
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site):
    for path in site.rglob("*.html"):
        for load in Leads(path).loads:
            inside = load.startswith("data:") or (path.parent / re.split("[?#]", load)[0]).exists()
            assert inside, (path.name, load)
    for path in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", path.read_text(encoding="utf-8")), path.name


def test_each_language_is_marked_and_leads_to_the_other(site):
    for name in ("index.html", *(f"lessons/{page.stem}.html" for page in lessons.PAGES)):
        english, chinese = Leads(site / name), Leads(site / "zh" / name)
        assert english.language == "en"
        assert chinese.language.startswith("zh")
        depth = "../" * name.count("/")
        assert f"{depth}zh/{name}" in english.links, name
        assert f"{depth}../{name}" in chinese.links, name


def test_a_page_that_moves_is_in_a_frame_of_its_lesson_with_its_link_below(site):
    english, chinese = (Leads(site / folder / "lessons/01-graphs-and-gates.html") for folder in ("", "zh"))
    sources = [frame["src"] for frame in english.frames]
    assert sources == ["../pictures/j-graph.html", "../moving/gates.html"]
    assert [frame["src"] for frame in chinese.frames] == [sources[0], "../../moving/gates.html?lang=zh"]
    for page in (english, chinese):
        for frame in page.frames:
            assert frame["src"] in page.links
            assert frame["title"]
            assert frame["loading"] == "lazy"
    assert chinese.frames[1]["title"] != english.frames[1]["title"]
    assert (site / "moving" / "moving.js").is_file()


def test_a_link_within_a_sentence_stays_a_link(tmp_path, monkeypatch):
    monkeypatch.setattr(make_site, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "own.html").write_text("<p>own</p>")
    text = "# A page\n\nHere is [one](own.html).\n\n[A & B](own.html)\n\n[two](own.html) ends.\n\n[C](own.html)\n"
    (tmp_path / "docs" / "page.md").write_text(text)
    make_site.Folder("en", tmp_path / "out", tmp_path).gather("docs/page.md")
    made = (tmp_path / "out" / "page.md").read_text()
    assert re.findall('<iframe src="(.*?)" title="(.*?)"', made) == [
        ("pictures/own.html", "A &amp; B"),
        ("pictures/own.html", "C"),
    ]
    assert 'Here is <a href="pictures/own.html">one</a>.' in made
    (tmp_path / "docs" / "own.html").unlink()
    with pytest.raises(SystemExit, match=r"there is no docs/own\.html"):
        make_site.Folder("en", tmp_path / "again", tmp_path).gather("docs/page.md")


def test_formulas_are_mathml_and_outputs_are_on_the_page(site):
    text = (site / "lessons" / "02-one-sample.html").read_text(encoding="utf-8")
    assert text.count("<math") > 10
    assert "z = 1.0000, y_hat = 0.7311, loss = 0.3133" in re.sub("<[^>]*>", "", text)


def test_chinese_is_found(site):
    index = (site / "zh" / "searchindex.js").read_text(encoding="utf-8")
    for word in ("梯度", "代价"):
        assert json.dumps(word) + ":" in index, word
    script = (site / "zh" / "_static" / "language_data.js").read_text(encoding="utf-8")
    assert re.search(
        r"\b(var|const|function|class) *" + re.search(r"window\.Stemmer *= *(\w+)", script)[1], script
    )


def test_a_link_that_leads_nowhere_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(make_site, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text("# A page\n\n[gone](gone.md)\n")
    with pytest.raises(SystemExit, match=r"there is no docs/gone\.md"):
        make_site.Folder("en", tmp_path / "out", tmp_path).gather("docs/page.md")


def test_a_warning_of_sphinx_is_an_error(tmp_path, monkeypatch):
    page = tmp_path / "docs" / "index.md"
    page.parent.mkdir()
    page.write_text("# One\n\n### Three, with no two\n")
    monkeypatch.setattr(make_site, "ROOT", tmp_path)
    monkeypatch.setattr(make_site, "GROUPS", {"en": {}})
    with pytest.raises(SystemExit, match="Non-consecutive header level increase"):
        make_site.build(tmp_path / "out", tmp_path)
