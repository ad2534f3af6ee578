"""The colours of drawings and pages: each is written once, for light and for dark."""

from collections.abc import Iterable
from string import Template

LIGHT = {
    "paper": "#fff",
    "ink": "#1c2228",
    "soft": "#59636e",
    "value": "#00598c",
    "gradient": "#a34100",
    "wire": "#7d8894",
    "gate": "#eef1f5",
    "given": "#fff",
    "fold": "#f7f2e6",
    "line": "#c9d0d8",
    "panel": "#f5f7f9",
}
DARK = {
    "paper": "#14181d",
    "ink": "#e8ecf0",
    "soft": "#a3aeb9",
    "value": "#74c0f4",
    "gradient": "#f5a56b",
    "wire": "#7f8b97",
    "gate": "#27303a",
    "given": "#14181d",
    "fold": "#332d1e",
    "line": "#3d4752",
    "panel": "#1d232a",
}
OF_DRAWINGS = ("paper", "ink", "soft", "wire", "gate", "given", "fold", "value", "gradient")
OF_PAGES = ("paper", "ink", "soft", "line", "panel", "value", "gradient")

# Red, green and blue of heat maps. The common kinds of colour-blindness keep the hues apart (Okabe and Ito, Color
# Universal Design, 2008).
ABOVE, BELOW, ZERO, NOT_A_NUMBER = (0, 114, 178), (213, 94, 0), (255, 255, 255), (128, 128, 128)


def coloured(style: str, names: Iterable[str]) -> str:
    """Return a style sheet with custom properties, such as --ink:#1c2228, for its $light and its $dark."""
    light, dark = (";".join(f"--{name}:{theme[name]}" for name in names) for theme in (LIGHT, DARK))
    return Template(style).substitute(light=light, dark=dark)
