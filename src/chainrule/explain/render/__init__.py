"""A graph as text, as a drawing (SVG) and as a page (HTML)."""
