"""The colours of charts, figures and tables, once.

Hues that the common kinds of colour-blindness keep apart (Okabe and Ito, Color Universal Design, 2008).
"""

BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#555555"
GREEN, AMBER = "#009e73", "#e69f00"

# The lines of a chart in their order, on light and on dark paper.
ON_LIGHT = (BLUE, ORANGE, "#007a5a", "#a8467f", "#8a6100", "#2b6f9e", GREY)
ON_DARK = ("#56b4e9", "#ff8c42", "#2fc79a", "#e29ac5", "#e6b325", "#9ad1f5", "#bbbbbb")

# Blue and orange behind light text on dark paper, and on paper of either kind.
BLUE_BEHIND_TEXT, ORANGE_BEHIND_TEXT = "#3c91cd", "#e16e1e"


def channels(colour: str) -> str:
    """Return red, green and blue of a colour "#rrggbb" from 0 to 255, as rgba() of CSS takes them."""
    return ", ".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5))
