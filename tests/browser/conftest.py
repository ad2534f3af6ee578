"""A browser that runs the pages: Chromium, driven by Playwright.

CHAINRULE_TEST_BROWSER=1 asks for it: then a missing one fails; otherwise its tests are skipped by name.
"""

import os
import shutil

import pytest

from tests.helpers import ROOT

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
ASKED = os.environ.get("CHAINRULE_TEST_BROWSER", "") not in ("", "0")


def missing(what, remedy):
    if ASKED:
        pytest.fail(f"CHAINRULE_TEST_BROWSER asks for a browser and {what} is missing: {remedy}")
    pytest.skip(f"{what} is missing: {remedy}")


@pytest.fixture(scope="session")
def browser():
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        missing("Chromium", "install it, as with apt-get install chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright", "pip install '.[browser]'")
    # Chromium refuses to shut itself in for root.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page of a graph from a file; at the end of the test the page must have said nothing on its console."""
    contexts, said = [], []

    def open_page(graph, **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on(
            "request", lambda request: said.extend(filter(lambda url: url.startswith("http"), [request.url]))
        )
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(graph.to_html(), encoding="utf-8")
        tab.goto(path.as_uri())
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def moving(browser):
    """Open a page of docs/moving; at the end it must have said nothing, and asked for files of its folder alone."""
    contexts, said = [], []
    folder = (ROOT / "docs" / "moving").as_uri()

    def open_page(name, language="en", **settings):
        context = browser.new_context(**settings)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: request.url.startswith(folder) or said.append(request.url))
        tab.goto(f"{folder}/{name}.html" + ("?lang=zh" if language == "zh" else ""))
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
