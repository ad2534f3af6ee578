"""What a run leaves to look at: a page, charts and figures."""
