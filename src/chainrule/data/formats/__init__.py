"""Readers of data: one module a format, each with a row of the table READERS."""
