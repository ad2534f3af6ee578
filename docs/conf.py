"""How Sphinx builds the site; `docs/make_site.py` gathers the pages and calls it, once a language."""

import re

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.search.zh import SearchChinese

project = "chainrule"
project_copyright = "the authors of chainrule"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "chainrule"
html_static_path = ["static"]
html_css_files = ["lessons.css"]
html_js_files = ["copy.js", "frames.js", "keys.js"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"
nitpicky = True


def _inline(self, node):
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise SkipNode


def _block(self, node):
    self.body.append(f"<div>{tex2mathml(node.astext(), as_block=True)}</div>")
    raise SkipNode


class _Pairs(SearchChinese):
    """Chinese is found with no dictionary of words: by two characters exactly, by more of them within a phrase."""

    # The browser's script calls the stemmer by this name, and the one that comes with it is for English.
    language_name = "English"

    def split(self, text):
        phrases = re.findall("[\u4e00-\u9fff]{2,}", text)
        pairs = [phrase[i : i + 2] for phrase in phrases for i in range(len(phrase) - 1)]
        return [*re.findall(r"[A-Za-z0-9_]+", text), *phrases, *pairs]


def setup(app):
    """Have formulas written as MathML, which browsers draw by themselves, with no script and no font of ours."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.add_search_language(_Pairs)
