"""Runs compared: what each left, whether chance may have made their difference, and their page."""
