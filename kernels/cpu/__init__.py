"""Kernels for the CPU: serial numba functions over a range of blocks that release the interpreter lock."""
