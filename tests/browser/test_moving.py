"""What all pages of docs/moving share: they can be read, everything in them can be moved, and they stay quiet."""

import itertools
import re

import pytest

from chainrule.explain.format import number
from chainrule.explain.render.palette import DARK, LIGHT
from tests.browser.test_evaluator import NUMBERS
from tests.helpers import ROOT

MOVING = ROOT / "docs" / "moving"
PAGES = sorted(path.stem for path in MOVING.glob("*.html"))
WIDTHS, SCHEMES = (390, 1280), ("light", "dark")

# Each text that is seen: its words, its size, and the contrast with the ground behind it.
TEXTS = """() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (text) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = channels(text).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if (channels(backgroundColor)[3] !== 0) return backgroundColor;
    }
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  return [...document.querySelectorAll("body *")]
    .filter((element) => hasText(element) && element.checkVisibility() && !element.closest("script, .heard"))
    .map((element) => {
      const style = getComputedStyle(element);
      const ink = light(element.ownerSVGElement ? style.fill : style.color);
      const paper = light(ground(element));
      const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
      return [element.textContent, parseFloat(style.fontSize), contrast];
    });
}"""

# Move everything to both of its ends and back, and press everything.
MOVE = """async () => {
  const seen = new Set();
  const look = () => {
    const drawn = [...document.querySelectorAll("svg text, svg [aria-label]")];
    seen.add(document.body.innerText + drawn.map((each) => each.ariaLabel ?? each.textContent).join("; "));
  };
  const send = (element, type) => element.dispatchEvent(new Event(type, { bubbles: true }));
  for (const range of document.querySelectorAll("input[type=range]")) {
    const first = range.value;
    for (const value of [range.min, range.max, first]) {
      range.value = value;
      send(range, "input");
      look();
    }
  }
  for (const select of document.querySelectorAll("select")) {
    for (const option of [...select.options]) {
      select.value = option.value;
      send(select, "change");
      look();
    }
  }
  for (const dot of document.querySelectorAll(".handle")) {
    for (const key of ["ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"]) {
      for (let k = 0; k < 60; k++) dot.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
      look();
    }
  }
  for (const button of document.querySelectorAll("button")) {
    button.click();
    await new Promise((done) => setTimeout(done, 150));
    look();
  }
  return [...seen];
}"""


@pytest.mark.parametrize(("width", "scheme"), [*itertools.product(WIDTHS, SCHEMES)])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_on_a_phone_and_on_a_screen_in_light_and_dark(moving, name, width, scheme):
    for language in ("en", "zh"):
        tab = moving(name, language, viewport={"width": width, "height": 800}, color_scheme=scheme)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, language
        texts = tab.evaluate(TEXTS)
        assert len(texts) > 10
        assert [text for text in texts if text[1] < 12] == []
        assert [text for text in texts if text[2] < 4.5] == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", PAGES)
def test_everything_can_be_moved_and_no_number_is_missing(moving, name, language):
    tab = moving(name, language, viewport={"width": 700, "height": 800})
    assert tab.evaluate("document.documentElement.lang") == {"en": "en", "zh": "zh-CN"}[language]
    assert ("\u4e00" <= tab.title()[0] <= "\u9fff" or "\u4e00" <= tab.title()[-1] <= "\u9fff") == (
        language == "zh"
    )
    before = tab.inner_text("#seen")
    assert re.search(r"\d", before)
    seen = tab.evaluate(MOVE)
    assert len(seen) > 3
    for text in seen:
        assert not re.search(r"\b(NaN|nan|undefined|null|Infinity)\b", text), text


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_have_the_same_words(moving, name):
    kinds = """Object.values(WORDS).map((words) => Object.entries(words)
        .map(([key, word]) => [key, typeof word, typeof word === "function" && word.length]).sort())"""
    english, chinese = moving(name).evaluate(kinds)
    assert english == chinese


@pytest.mark.parametrize("name", PAGES)
def test_a_page_changes_its_language_by_its_link(moving, name):
    tab = moving(name)
    english = tab.inner_text("h1")
    tab.click("a.other")
    assert tab.inner_text("h1") != english
    tab.click("a.other")
    assert tab.inner_text("h1") == english


def test_numbers_are_written_as_python_writes_them(moving):
    tab = moving("gates")
    assert tab.evaluate("(numbers) => numbers.map((x) => number(x))", NUMBERS) == [number(x) for x in NUMBERS]
    # Without the idle zeros of .3g, and with no sign of zero.
    assert tab.evaluate("(numbers) => numbers.map((x) => number(x, 3))", [12345.6, 0.00012345, 999.6]) == [
        f"{x:.3g}" for x in (12345.6, 0.00012345, 999.6)
    ]


def test_the_colours_are_those_of_all_drawings():
    text = (MOVING / "moving.css").read_text(encoding="utf-8")
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    for block, theme in ((light, LIGHT), (dark, DARK)):
        own = dict(re.findall(r"--(\w+): (#\w+);", block))
        assert {name: own[name] for name in own if name in theme} == {
            name: theme[name] for name in theme if name in own
        }
        assert {"paper", "ink", "soft", "value", "gradient", "line", "panel"} <= own.keys()


def test_a_field_that_holds_no_number_keeps_the_last_one(moving):
    tab = moving("gates")
    field = tab.locator("input[type=number]").first
    range_ = tab.locator("input[type=range]").first
    field.fill("3")
    assert range_.input_value() == "3"
    said = tab.inner_text("#seen")
    for wrong in ("", "5"):
        field.fill(wrong)
        assert field.get_attribute("aria-invalid") == "true"
        assert tab.inner_text("#seen") == said
    field.press("Enter")
    assert field.input_value() == "3"
    assert field.get_attribute("aria-invalid") == "false"


def test_what_stands_below_is_heard_when_it_has_stood_for_a_while(moving):
    tab = moving("gates")
    heard = tab.locator("[aria-live]")
    assert heard.text_content() == ""
    field = tab.locator("input[type=number]").first
    field.fill("3.25")
    assert heard.text_content() == ""
    tab.wait_for_function(
        "document.querySelector('[aria-live]').textContent === document.getElementById('seen').textContent"
    )
    assert "3.25" in heard.text_content()


def test_nothing_plays_unasked_and_few_steps_where_less_motion_is_asked_for(moving):
    updates = "Number(document.getElementById('seen').textContent.match(/\\d+/)[0])"
    made = {}
    for motion in ("reduce", "no-preference"):
        tab = moving("neuron", reduced_motion=motion)
        tab.wait_for_timeout(300)
        assert tab.evaluate(updates) == 0
        play = tab.locator("button.play")
        play.click()
        tab.wait_for_timeout(1300)
        play.click()
        made[motion] = tab.evaluate(updates)
    assert 1 <= made["reduce"] <= 3 < made["no-preference"]


def test_a_canvas_has_a_pixel_for_each_of_a_dense_screen(moving):
    for dense in (1, 3):
        tab = moving("gates", device_scale_factor=dense)
        width, shown = tab.evaluate(
            "(({ width, clientWidth }) => [width, clientWidth])(document.querySelector('canvas'))"
        )
        assert width == dense * shown


def test_a_picture_is_drawn_again_in_the_scheme_and_the_room_that_it_gets(moving):
    tab = moving("race", color_scheme="light", viewport={"width": 1000, "height": 800})
    drawn = "document.querySelector('canvas').toDataURL()"
    light = tab.evaluate(drawn)
    tab.emulate_media(color_scheme="dark")
    assert tab.evaluate(drawn) != light
    tab.set_viewport_size({"width": 320, "height": 800})
    tab.wait_for_function("document.querySelector('canvas').clientWidth <= 320")


def test_a_frame_in_a_lesson_is_as_tall_as_its_page(browser, tmp_path):
    script = (ROOT / "docs" / "static" / "frames.js").as_uri()
    page = tmp_path / "lesson.html"
    tab = browser.new_page(viewport={"width": 800, "height": 600})
    for name in PAGES:
        page.write_text(
            f'<script src="{script}"></script><div class="moving">'
            f'<iframe src="{(MOVING / name).as_uri()}.html?lang=zh" style="width:100%"></iframe></div>',
            encoding="utf-8",
        )
        tab.goto(page.as_uri())
        inner = tab.frames[1]
        tab.wait_for_function("document.querySelector('iframe').style.height !== ''")
        for width in (800, 400):
            tab.set_viewport_size({"width": width, "height": 600})
            tab.wait_for_timeout(200)
            wanted = inner.evaluate("document.body.offsetHeight")
            assert tab.evaluate("document.querySelector('iframe').style.height") == f"{wanted}px", (
                name,
                width,
            )
        assert inner.locator("a.other").count() == 0
    tab.close()
