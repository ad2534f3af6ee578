"""Take the pictures that the README shows: `python docs/screenshots.py`, with Chromium and the extra `browser`."""

import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
# Of each picture: the command that makes the page, the page, and the height of what is seen of it.
PICTURES = {
    "stepping-page.png": (
        ["explain", "3*(a+b*c)", "a=5", "b=3", "c=2", "--html", "graph.html"],
        "graph.html#step=6",
        720,
    ),
    "report-page.png": (["train", "--out", "digits"], "digits/report.html", 720),
}


def main() -> None:
    """Make the pages in an empty folder, and their pictures, of few colours, in this one."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        arguments = ["--no-sandbox"]  # Chromium refuses to shut itself in for root.
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        for name, (command, page, height) in PICTURES.items():
            subprocess.run([sys.executable, "-m", "chainrule", *command], cwd=folder, check=True)
            tab = browser.new_page(viewport={"width": 1000, "height": height})
            tab.goto(f"{Path(folder).as_uri()}/{page}")
            picture = Image.open(io.BytesIO(tab.screenshot()))
            picture.quantize(64).save(HERE / name, optimize=True)
        browser.close()


if __name__ == "__main__":
    main()
