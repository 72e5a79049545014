"""`Peer` and `Adapter`: a library, and one of its functions beside the format it is compared with, as data."""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from lowbit.errors import UnsupportedError
from lowbit.testing.calling import Quantizer

ROWS: tuple[tuple[str, str], ...] = (
    ("nextafter(8,0) in a block (e2m1, floor)", "the exponent of the scale comes from a binary32 logarithm"),
    ("5.0, 2.5, 0.25 with amax 7.99", "ties go away from zero"),
    ("amax 2^-125", "a scale below 2^-126 is replaced by 2^-126 in the division"),
    ("subnormal block, amax 2^-127", "a scale below 2^-126 is lost: results are halved or zero"),
    ("largest float32, floor rule", "the scale of the largest numbers overflows"),
    ("NaN in a block", "NaN is refused or does not make its whole block NaN"),
    ("Inf in a block", "an infinity is the amax that all others are scaled by"),
    ("\u22120 as input", "the sign of zero is lost"),
    ("NVFP4 block scale far below the tensor's", "the block scale has a floor of 2^-6"),
    (
        "192.00002, 20.8 in a block (e2m1, rceil)",
        "ceil(log2) in binary32: the scale is half just above M·2^k (k < -4 or k > 3)",
    ),
    ("scale 2^-127, rceil rule (amax 6·2^-127)", "with the scale 2^-127 numbers are not divided: they vanish"),
    ("NVFP4 tensor of zeros", "the tensor scale of zeros is 0, and 0 / 0 makes every block scale NaN"),
    (
        "0 beside 7.8e-36, and 1e-45 alone (NVFP4 tensors)",
        "g is not clamped: 1 / t overflows, or t is 0 and scales are NaN",
    ),
    ("NaN in an NVFP4 tensor", "the tensor's amax is NaN, and with it every block scale"),
    ("0.1 alone in an NVFP4 tensor, decoded", "decodes as fl(element × fl(block scale × tensor scale))"),
    ("1.984375 in a block (mxint8)", "the scale is half of the contract's: the upper half is clipped"),
    ("0.74999994 cast to e2m1", "subnormals are rounded twice: what is just below a midpoint goes up"),
    ("1.3749999 alone (int4f2/row/e8m0)", "6·2^e is added first, so that numbers next to a midpoint fall on it"),
    ("1.1e38 alone (int4f2/row/e8m0)", "6·2^e is added to every number, which overflows"),
    ("short last block of a row", "a short block goes on in the next row, or is refused"),
    ("NaN cast to an element without NaN", "NaN becomes a number, or stays NaN"),
    ("Inf cast to an element without NaN", "an infinity becomes the largest value"),
    ("a tensor that is not contiguous", "tensors have to be contiguous"),
)
"""The rows of the contract's table of disagreements (docs/numerics.md §10): its first column, and what is
done there."""


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """One function of a library beside the format that it claims to be.

    `format` is a name or spec text, `call` what a user of the library writes, `quantizer`, `tensors` and `ndim` are as
    in `check_conformance`. `known` are the departures on record: clause -> row of ROWS (from 1), or what the library
    does where no row says it. `clauses`, if given, are the only ones checked, and `note` says why.
    """

    format: str
    call: str
    quantizer: Quantizer
    known: Mapping[str, int | str] = field(default_factory=dict)
    clauses: tuple[str, ...] | None = None
    note: str = ""
    tensors: str = "numpy"
    ndim: int = 1

    @property
    def reasons(self) -> dict[str, str]:
        """`known` as text."""
        return {clause: what if isinstance(what, str) else row_text(what) for clause, what in self.known.items()}


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A library: its name, its distribution on the package index, how to install it, and what makes its adapters.

    `make` imports the library; nothing does so before it is called.
    """

    name: str
    distribution: str
    make: Callable[[], Iterable[Adapter]]
    install: str = ""

    @property
    def version(self) -> str:
        """The installed version without a build's suffix. UnsupportedError, with what to do, where there is none."""
        try:
            return version(self.distribution).partition("+")[0]
        except PackageNotFoundError:
            command = self.install or f"pip install {self.distribution}"
            raise UnsupportedError(f"{self.name} is not installed, so it cannot be checked: {command}") from None

    def adapters(self) -> tuple[Adapter, ...]:
        """Its adapters. UnsupportedError where it is not installed or has not what the adapters call."""
        found = self.version
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of deprecations within the library
                return tuple(self.make())
        except Exception as error:  # a library may raise anything when it is imported, and interfaces move
            text = " ".join(str(error).split())[:200]
            raise UnsupportedError(
                f"{self.name} {found} cannot be checked: {type(error).__name__}: {text}; "
                f"install the version that docs/disagreements.md names"
            ) from error


def row_text(row: int) -> str:
    """A row of the table for people.

    >>> row_text(9)
    '§10 row 9: the block scale has a floor of 2^-6'
    """
    return f"§10 row {row}: {ROWS[row - 1][1]}"
