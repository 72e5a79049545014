"""numba kernels for the processor: stages that entry kernels fuse, and the scheduler that splits their work.

`vector`, `memory`, `packed_lanes` and `octets` know the machine, `scalar` and `exact` are the exact path, `amax`,
`scale`, `rounding`, `code_rows`, `block_words`, `packing` and `decoding` the vector stages; `fake_quantize`,
`quantize_codes` and `dequantize_codes` are the entry points.
"""
