"""The report of a run in a real browser."""

from types import SimpleNamespace

from tests.helpers.commands import answer


def test_no_number_of_the_report_is_broken_in_two(opened, tmp_path):
    answer("train", "--hidden", 8, "--epochs", 1, "--out", tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for width in (320, 380, 768, 1100, 1400):
        tab = opened(SimpleNamespace(to_html=lambda: page), viewport={"width": width, "height": 800})
        heights = tab.evaluate("""[...document.querySelectorAll(".facts dd")].map((fact) => {
            const one = fact.getBoundingClientRect().height;
            fact.textContent = "0.0001234";
            return [one, fact.getBoundingClientRect().height];
        })""")
        assert len({height for pair in heights for height in pair}) == 1, width
