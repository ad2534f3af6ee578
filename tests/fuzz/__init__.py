"""Mutated files and hostile texts: each ends in one clear line, or in a right answer.

`python -m tests.fuzz.run TRIES [KIND...]` tries as many of each kind and prints the table of docs/reliability.md.
"""
