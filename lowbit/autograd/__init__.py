"""Backward passes: how gradients run through cast operands."""

from lowbit.autograd.linear import GemmCasts as GemmCasts
from lowbit.autograd.linear import LinearPlan as LinearPlan
from lowbit.autograd.linear import OperandCast as OperandCast
from lowbit.autograd.linear import linear_plan as linear_plan
from lowbit.autograd.linear import quantized_linear as quantized_linear
