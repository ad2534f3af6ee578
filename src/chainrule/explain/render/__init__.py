"""A graph as text, SVG, PNG and a page."""
