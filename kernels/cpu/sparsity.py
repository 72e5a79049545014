"""n:m sparsity: of every m elements along an axis only the n largest magnitudes stay (docs/numerics.md §12)."""

import numpy as np

from lowbit.kernels.cpu.jit import kernel
from lowbit.kernels.cpu.memory import load_one, memory, store_one

ABSOLUTE = np.uint32(0x7FFFFFFF)


@kernel
def prune_items(x, out, length, inner, kept, size, first, last):
    """Prune the runs first..last of `size` elements along the middle axis of (outer, length, inner) into `out`.

    Magnitudes are compared as unsigned integers: NaN is larger than infinity. Of equals the earlier stays.
    """
    source, target = memory(x), memory(out)
    runs = (length + size - 1) // size
    for item in range(first, last):
        start = item % runs * size
        count = min(size, length - start)
        base = (item // runs * length + start) * inner
        for column in range(base, base + inner):
            stays = np.uint64(0)  # decided before anything is written: `out` may be `x` itself
            for i in range(count):
                magnitude, larger = load_one(source, column + i * inner) & ABSOLUTE, 0
                for j in range(count):
                    other = load_one(source, column + j * inner) & ABSOLUTE
                    larger += other > magnitude or (other == magnitude and j < i)
                stays |= np.uint64(larger < kept) << np.uint64(i)
            for i in range(count):
                bits = load_one(source, column + i * inner)
                stays_here = (stays >> np.uint64(i)) & np.uint64(1)
                store_one(target, column + i * inner, bits if stays_here else np.uint32(0))
