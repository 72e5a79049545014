"""Every error that lowbit raises on purpose.

Each class also derives from the built-in exception a caller would expect, so `except ValueError` keeps
working. The text is one line that says what was given, what is allowed and what to do.
"""


class LowbitError(Exception):
    """Base of all errors below; catch it to handle anything lowbit refuses."""


class FormatError(LowbitError, ValueError):
    """A format, element, spec text or code that does not exist or contradicts itself."""


class ShapeError(LowbitError, ValueError):
    """An axis, shape or block that does not fit the array."""


class DtypeError(LowbitError, TypeError):
    """An array of a dtype, layout or device that the operation does not take."""


class ArgumentError(LowbitError, ValueError):
    """An argument outside its allowed values, or arguments that exclude each other."""


class UnsupportedError(LowbitError, NotImplementedError):
    """A valid request that no backend can carry out; the text names the alternative."""


class NonfiniteError(LowbitError, ValueError):
    """NaN or infinity in the input where the caller asked for them to be refused."""


class FileError(LowbitError, ValueError):
    """A file that is missing, truncated, foreign, unsafe to load or cannot be written."""


class ConformanceError(LowbitError, AssertionError):
    """A quantizer that breaks the numerical contract; the text is the whole report."""
