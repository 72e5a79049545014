"""numba kernels for the processor: stages that entry kernels fuse, and the scheduler that splits their work.

`vector`, `memory` and `packed_lanes` know the machine, `scalar` and `exact` are the exact path, `amax`, `scale`,
`rounding`, `block_words`, `packing` and `decoding` the vector stages; `fake_quantize`, `quantize_codes` and
`dequantize_codes` are the entry points.
"""
