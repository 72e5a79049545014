"""The packed layout by an independent computation (contract §9)."""

import numpy as np


def packed_by_hand(codes: np.ndarray, bits: int) -> np.ndarray:
    """Element i of a row at bit i * bits, low bits first, zero padding: by numpy's bit arrays."""
    each = (codes[..., None].astype(np.uint32) >> np.arange(bits, dtype=np.uint32)) & 1
    return np.packbits(each.reshape(*codes.shape[:-1], -1).astype(np.uint8), axis=-1, bitorder="little")
