"""Operations on arrays and tensors: checks, memory layout, kernels, and what users call."""
