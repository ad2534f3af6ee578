"""Programs: a function of arrays recorded as straight code, simplified, printed and replayed."""
