"""How fast lowbit is, as ratios to what the machine allows and to its alternatives: `python -m benchmarks`.

`rows` is the table of what is measured and what is required, `peers` the alternatives, `timing` the method.
"""
