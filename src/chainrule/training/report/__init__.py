"""The files that a training run leaves: a page, charts and figures."""
