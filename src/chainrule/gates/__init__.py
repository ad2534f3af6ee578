"""The gates: one function each, forward and local gradient on one screen.

    gate(xp, *arrays, **static) -> (output, one pullback per array)

`xp` is the array API namespace of the arrays; a gate uses nothing else, so it runs wherever they live.
"""
