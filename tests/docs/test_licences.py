"""What the extras bring is under licences that leave the package under its own."""

import re

import licences_page


def test_no_package_of_an_extra_is_under_the_gpl():
    found = {name: licences_page.licence(package) for name, package in licences_page.brought().items()}
    assert {"numpy", "scipy", "typer"} <= found.keys()
    assert "not named" not in found.values()
    assert {name for name, text in found.items() if re.search(r"GPL|GNU", text)} == set()


def test_the_page_names_what_pyproject_asks_for():
    rows = re.findall(
        r"^\| (\S+) \| \S+ \| (.+) \|$", licences_page.PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    asked = {
        name.lower()
        for name, _ in licences_page._asked(licences_page.distribution("chainrule"), licences_page.EXTRAS)
    }
    assert asked - {"chainrule"} <= {name for name, _ in rows}
