"""numba kernels for the processor: stages that entry kernels fuse, and the scheduler that splits their work.

`vector` and `memory` know the machine, `scalar` and `exact` are the exact path, `amax`, `scale` and `rounding` the
vector stages; `fake_quantize`, `quantize_codes` and `dequantize_codes` are the entry points.
"""
