"""`QTensor`: a quantized tensor as it is stored, and its way back."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np

from lowbit.errors import DtypeError
from lowbit.formats.block import BlockFormat
from lowbit.formats.hadamard import Hadamard
from lowbit.geometry import Axis
from lowbit.ops import arrays, storage
from lowbit.ops.dense import check_result
from lowbit.ops.engine import Kind
from lowbit.ops.rotated import changed, rotation_axis, unrotate
from lowbit.ops.rotated_qdq import check_rotate_back
from lowbit.ops.storage_layout import Stored


@dataclass(frozen=True, eq=False, kw_only=True)
class QTensor:
    """Packed codes, block scales, tensor scale: value = fl(fl(element * scale) * tensor_scale) (contract §2, §9).

    Invariants: `packed` is uint8 of shape (..., ceil(n * bits / 8)) with the quantization axes moved last (`axes`, as
    non-negative numbers), element i of a row at bit i * bits, low bits first, padding zero. `scales` has the block
    grid's shape in the tensor's own order of axes; it holds codes of the scale element (uint8, or uint16 for 16-bit
    scales) or float32 values, and is None for a plain cast. `tensor_scale` is None for formats without that level,
    `tensor_amax` the one that was given, if any. Arrays are numpy's or torch's, as the input was. With a `transform`
    the tensor is a rotated one; `length` is that of its rotated axis before it was padded, else None.
    """

    format: BlockFormat
    shape: tuple[int, ...]
    axis: Axis
    axes: tuple[int, ...]
    kind: Kind
    framework: arrays.Framework
    stored: Stored
    tensor_amax: float | None = None
    transform: Hadamard | None = None
    length: int | None = None

    @property
    def packed(self) -> Any:
        """The packed codes, uint8."""
        return self.framework.wrap(self.stored.packed)

    @cached_property
    def codes(self) -> Any:
        """One code an element, in the tensor's shape: uint8 up to 8 bits, uint16 up to 16, else uint32."""
        codes = storage.unpack(self.stored.packed, self.storage_shape[-1], self.format.element.bits)
        return self.framework.wrap(self._restored(codes).reshape(self.shape))

    @cached_property
    def scales(self) -> Any:
        """Scale codes (or float32 scales) in the shape of the block grid; None for a plain cast."""
        if self.stored.scales is None:
            return None
        scales = self._restored(self.stored.scales)
        return self.framework.wrap(scales if self.shape else scales.reshape(()))

    @property
    def tensor_scale(self) -> float | None:
        """The decode tensor scale t (multiply with it), or None for formats with one level."""
        return self.stored.tensor_scale if self.format.tensor_target is not None else None

    @property
    def nbytes(self) -> int:
        """Bytes of packed codes, scales and tensor scale."""
        scales = 0 if self.stored.scales is None else self.stored.scales.nbytes
        return self.stored.packed.nbytes + scales + (4 if self.tensor_scale is not None else 0)

    @property
    def bits_per_element(self) -> float:
        """Stored bits an element, everything counted; NaN for an empty tensor."""
        size = int(np.prod(self.shape, dtype=np.int64))
        return self.nbytes * 8 / size if size else float("nan")

    @property
    def storage_shape(self) -> tuple[int, ...]:
        """The tensor's shape with the quantization axes last; a scalar counts as one row of one element."""
        return tuple(self.shape[axis] for axis in self._order) or (1,)

    @property
    def _order(self) -> tuple[int, ...]:
        if not self.shape:
            return ()
        return (*(axis for axis in range(len(self.shape)) if axis not in self.axes), *self.axes)

    def _restored(self, array: np.ndarray) -> np.ndarray:
        """An array in storage order, with its axes back in the tensor's order."""
        order = self._order
        return array.transpose([order.index(axis) for axis in range(len(order))]) if order else array

    def dequantize(self, dtype: Any = None, out: Any = None, rotate_back: bool = False) -> Any:
        """The values, in the tensor's shape and axis order; equal to `lowbit.qdq` of the input bit for bit.

        dtype: float32, bfloat16 or float16 (the framework's), by default the input's; each value is narrowed once, to
        nearest even, and may overflow to infinity (contract §2). out: an array of that dtype and shape that receives
        the values. rotate_back: undo the tensor's `transform` (`lowbit.unrotate` of the values in that dtype), which
        gives the shape of the input. Raises DtypeError and ShapeError, ArgumentError without a transform.
        """
        check_rotate_back(self.transform, rotate_back)
        kind = self.kind if dtype is None else self.framework.kind_of(dtype)
        transform = self.transform if rotate_back else None
        if out is None:
            return self.framework.wrap(self._values(kind, transform), kind)
        target, target_kind = self.framework.unwrap(out)
        if target_kind != kind:
            raise DtypeError(f"out is {target_kind}, the result {kind}; give an array of that dtype or pass dtype=")
        shape = self.shape if transform is None else changed(self.shape, self.rotated_axis, self.length or 0)
        check_result(target, shape, self._parts)
        ordered = target.transpose(self._order)
        if transform is None and ordered.flags.c_contiguous and ordered.flags.aligned:
            ordered = ordered.reshape(self.storage_shape)
            storage.dequantize(self.stored, self.storage_shape, kind, self.format, out=ordered)
        else:
            np.copyto(target, self._values(kind, transform))
        return out

    @property
    def _parts(self) -> tuple[np.ndarray, ...]:
        """The stored arrays."""
        return (self.stored.packed,) if self.stored.scales is None else (self.stored.packed, self.stored.scales)

    def _values(self, kind: Kind, transform: Hadamard | None) -> np.ndarray:
        """The values in new memory, in the tensor's shape, or rotated back in the shape of the input."""
        values = storage.dequantize(self.stored, self.storage_shape, kind, self.format)
        values = self._restored(values).reshape(self.shape)
        if transform is None:
            return values
        same = self.length == self.shape[self.rotated_axis]
        return unrotate(
            values, kind, transform, axis=self.rotated_axis, length=self.length, out=values if same else None
        )

    @property
    def rotated_axis(self) -> int:
        """The axis that the transform runs along, as a non-negative number."""
        return rotation_axis(self.axis, len(self.shape))

    def save(self, path: str | PathLike[str]) -> None:
        """Write to a .safetensors file, atomically (packed codes, scales, metadata). Raises FileError."""
        from lowbit.ops.qtensor_file import save_qtensor

        save_qtensor(self, path)

    @staticmethod
    def load(path: str | PathLike[str], *, framework: str = "numpy") -> "QTensor":
        """Read what `save` wrote, as "numpy" or "torch" arrays. Raises FileError; the file is not trusted."""
        from lowbit.ops.qtensor_file import load_qtensor

        return load_qtensor(path, framework=framework)

    def __repr__(self) -> str:
        bits = f"{self.bits_per_element:.4g} bits per element"
        turned = "" if self.transform is None else f", {self.transform}"
        return f"QTensor({self.format}, shape={self.shape}, axis={self.axis}, {bits}{turned})"
