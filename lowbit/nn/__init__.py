"""Layers whose GEMMs are cast, and the conversion of existing models."""

from lowbit.nn.conversion import convert as convert
from lowbit.nn.conversion import revert as revert
from lowbit.nn.linear import Linear as Linear
from lowbit.nn.report import ConversionReport as ConversionReport
from lowbit.nn.report import ConversionWarning as ConversionWarning
from lowbit.nn.report import LayerOutcome as LayerOutcome
from lowbit.nn.report import UnusedRule as UnusedRule
