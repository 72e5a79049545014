"""Number formats as frozen data: elements, blocks, scales, rounding. Standard library only."""

from lowbit.formats.block import BlockFormat as BlockFormat
from lowbit.formats.floats import FloatElement as FloatElement
from lowbit.formats.floats import Specials as Specials
from lowbit.formats.grids import Codebook as Codebook
from lowbit.formats.grids import Element as Element
from lowbit.formats.grids import IntElement as IntElement
from lowbit.formats.json_form import format_from_json as format_from_json
from lowbit.formats.json_form import format_to_json as format_to_json
from lowbit.formats.registry import element as element
from lowbit.formats.registry import format as format
from lowbit.formats.registry import list_formats as list_formats
from lowbit.formats.registry import register as register
from lowbit.formats.rounding import Arithmetic as Arithmetic
from lowbit.formats.rounding import Overflow as Overflow
from lowbit.formats.rounding import Rounding as Rounding
from lowbit.formats.rounding import ScaleFloor as ScaleFloor
from lowbit.formats.rounding import ScaleRule as ScaleRule
from lowbit.formats.rounding import Stochastic as Stochastic
from lowbit.formats.rounding import StochasticRule as StochasticRule
from lowbit.formats.shape import BlockShape as BlockShape
