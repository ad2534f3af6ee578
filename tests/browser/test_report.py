"""The pages of runs in a real browser: the report, a comparison, and a sample through a model."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.helpers.commands import answer

WIDTHS = (390, 1280)
# The letters of each element that has text of its own, in pixels of the screen; those of a drawing shrink with it.
LETTERS = """() => [...document.querySelectorAll("body *")].filter((element) =>
    element.checkVisibility() && !element.closest("details:not([open]), script, style, title, desc") &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())
).map((element) => {
    const drawing = element.closest("svg");
    const scale = drawing ? drawing.getBoundingClientRect().width / drawing.viewBox.baseVal.width : 1;
    return [parseFloat(getComputedStyle(element).fontSize) * scale, element.textContent.trim().slice(0, 30)];
})"""


@pytest.fixture
def show(opened):
    """Return a function that opens a file of HTML."""
    return lambda path, **settings: opened(
        SimpleNamespace(to_html=lambda: path.read_text(encoding="utf-8")), **settings
    )


@pytest.fixture
def pages(tmp_path, pictures, three_kinds):
    """Return the pages that pictures, a table and numbers leave, and a comparison."""
    answer("train", pictures, "--image-size", 16, "--hidden", 8, "--epochs", 3, "--out", tmp_path / "photos")
    answer("train", pictures, "--image-size", 16, "--steps", 3, "--out", tmp_path / "logistic")
    for name, rate in (("rings", 0.01), ("slower", 0.001)):
        how = ("--hidden", 8, "--epochs", 5, "--learning-rate", rate)
        answer("train", three_kinds, *how, "--out", tmp_path / name)
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("\n".join(["a,b,label", *(f"{k % 7},{k % 5},{k % 7 + 0.37 * k}" for k in range(90))]))
    answer("train", numbers, "--task", "regression", "--steps", 20, "--out", tmp_path / "numbers")
    answer("compare", tmp_path / "rings", tmp_path / "slower", "--out", tmp_path / "compared.html")
    names = ("photos", "logistic", "rings", "numbers")
    return [*(tmp_path / name / "report.html" for name in names), tmp_path / "compared.html"]


def test_no_number_of_the_report_is_broken_in_two(show, tmp_path):
    answer("train", "--hidden", 8, "--epochs", 1, "--out", tmp_path / "run")
    for width in (320, 380, 768, 1100, 1400):
        tab = show(tmp_path / "run" / "report.html", viewport={"width": width, "height": 800})
        heights = tab.evaluate("""[...document.querySelectorAll(".facts dd")].map((fact) => {
            const one = fact.getBoundingClientRect().height;
            fact.textContent = "0.0001234";
            return [one, fact.getBoundingClientRect().height];
        })""")
        assert len({height for pair in heights for height in pair}) == 1, width


def test_every_letter_can_be_read_and_no_page_is_wider_than_its_screen(show, pages):
    for page in pages:
        for width in WIDTHS:
            tab = show(page, viewport={"width": width, "height": 900})
            letters = tab.evaluate(LETTERS)
            assert len(letters) > 20
            assert [found for found in letters if found[0] < 11] == [], (page, width)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, (page, width)


def test_keys_scroll_a_table_that_is_wider_than_a_phone(show, pages):
    found = []
    for page in pages:
        tab = show(page, viewport={"width": 320, "height": 900})
        found += tab.evaluate("""() => [...document.querySelectorAll(".wide")]
            .filter((frame) => frame.scrollWidth > frame.clientWidth)
            .map((frame) => [frame.tabIndex, frame.getAttribute("aria-label")])""")
    assert {tuple(each) for each in found} == {(0, "Table"), (0, "Chart")}


def test_a_dark_page_has_no_light_box(show, pages, tmp_path):
    for page in pages:
        tab = show(page, viewport={"width": 1280, "height": 900}, color_scheme="dark")
        boxes = tab.evaluate("""() => [...document.querySelectorAll("body, body *")].map((element) =>
            getComputedStyle(element).backgroundColor).map((colour) => colour.match(/[\\d.]+/g).map(Number))
            .filter(([red, green, blue, alpha]) => alpha !== 0 && Math.min(red, green, blue) > 120)""")
        assert boxes == [], page
        # Maps of weights let the page through where they are 0.
        for picture in tab.locator('img[alt^="Weights"]').all()[:3]:
            picture.screenshot(path=tmp_path / "shot.png")
            shot = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB"))
            assert shot.min(axis=-1).max() < 160, page
    assert tab.locator("svg.chart").count() == 1


def test_a_picture_of_the_page_is_as_high_as_it_is_wide(show, pages):
    tab = show(pages[0], viewport={"width": 1280, "height": 900})
    sizes = tab.evaluate("""[...document.querySelectorAll("img")].map((image) => {
        const box = image.getBoundingClientRect();
        return [box.width, box.height, image.naturalWidth, image.naturalHeight];
    })""")
    assert len(sizes) > 5
    for width, height, natural_width, natural_height in sizes:
        assert width > 100
        assert (width - 2) / (height - 2) == pytest.approx(natural_width / natural_height, rel=0.02)


def test_the_page_of_a_sample_shows_the_picture_and_the_names_of_classes(show, pictures, tmp_path):
    run = tmp_path / "run"
    answer("train", pictures, "--image-size", 16, "--hidden", 8, "--epochs", 30, "--out", run)
    told = answer("explain", run, pictures / "dark" / "0.png", "--html", tmp_path / "sample.html")
    said = told.partition("answer:   ")[2].splitlines()[0]
    for width in WIDTHS:
        tab = show(tmp_path / "sample.html", viewport={"width": width, "height": 900})
        sample = tab.locator("section.sample")
        assert f"The answer: {said}" in sample.inner_text()
        assert {"dark", "bright"} <= set(sample.locator("th").all_inner_texts())
        box = sample.locator("img").first.bounding_box()
        assert box["width"] == pytest.approx(box["height"], abs=1)
        assert box["width"] > 100
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        small = [
            found for found in tab.evaluate(LETTERS) if found[0] < 11 and found[1] in sample.inner_text()
        ]
        assert small == []
