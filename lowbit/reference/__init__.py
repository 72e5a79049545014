"""The exact oracle: rounding, scale rules, quantize and dequantize on rational numbers.

Slow and obvious on purpose, and the truth for every test: it enumerates grids, computes with `fractions.Fraction`
and integers, and rounds to binary32 exactly where the numerical contract says so. Standard library and
`lowbit.formats` only.

>>> from lowbit import reference
>>> reference.round(2.5, reference.element("e2m1"))
2.0
>>> reference.qdq([5.0, 2.5, 0.25, 7.99], "mxfp4")
[4.0, 2.0, 0.0, 6.0]
"""

from lowbit.formats import element as element
from lowbit.reference.binary32 import fl as fl
from lowbit.reference.hadamard import rotate as rotate
from lowbit.reference.hadamard import unrotate as unrotate
from lowbit.reference.philox import philox4x32 as philox4x32
from lowbit.reference.philox import random_bits as random_bits
from lowbit.reference.rounding import round as round
from lowbit.reference.tensor import Quantized as Quantized
from lowbit.reference.tensor import dequantize as dequantize
from lowbit.reference.tensor import qdq as qdq
from lowbit.reference.tensor import quantize as quantize
