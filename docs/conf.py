"""How Sphinx builds the site; `docs/make_site.py` gathers the pages and calls it, once a language."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

project = "chainrule"
project_copyright = "the authors of chainrule"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "chainrule"
html_static_path = ["static"]
html_css_files = ["lessons.css"]
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


def setup(app):
    """Have formulas written as MathML, which browsers draw by themselves, with no script and no font of ours."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
