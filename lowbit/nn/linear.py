"""`Linear`: torch's linear layer with its GEMM operands cast as a recipe says."""

from typing import Any

import torch

from lowbit.autograd import LinearPlan, linear_plan, quantized_linear
from lowbit.nn.fused_paths import insist_on_call
from lowbit.recipes import Recipe
from lowbit.recipes import recipe as find_recipe


class Linear(torch.nn.Linear):
    """Drop-in for `torch.nn.Linear`: same arguments, parameters, initialization and state_dict keys, and a recipe.

    Input (..., in_features), output (..., out_features), in float32, bfloat16 or float16. Parameters stay in high
    precision: every forward and backward pass casts them anew, so any optimizer trains them. `recipe` is a `Recipe`, a
    registered name, or text such as "forward:mxfp4" and "gemms:nvfp4"; it is not part of the state_dict, and assigning
    another one to `layer.recipe` takes effect at the next forward pass. What NaN, infinities, zero blocks and gradients
    do is written at `lowbit.autograd.quantized_linear` and `lowbit.qdq`.

    Raises ArgumentError for an unknown recipe, FormatError for an unknown format.

    >>> layer = Linear(64, 32, recipe="forward:mxfp4")
    >>> layer
    Linear(in_features=64, out_features=32, bias=True, recipe=forward:mxfp4)
    """

    _recipe: Recipe
    _plan: LinearPlan

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        *,
        recipe: str | Recipe,
    ) -> None:
        super().__init__(in_features, out_features, bias, device, dtype)
        self.recipe = recipe
        insist_on_call(self)

    @property
    def recipe(self) -> Recipe:
        """What is cast in which GEMM."""
        return self._recipe

    @recipe.setter
    def recipe(self, recipe: str | Recipe) -> None:
        self._recipe = find_recipe(recipe)
        self._plan = linear_plan(self._recipe)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """y = cast(x) cast(W)ᵀ + b; see `lowbit.autograd.quantized_linear`."""
        return quantized_linear(input, self.weight, self.bias, self._plan)

    def extra_repr(self) -> str:
        """Sizes and recipe, shown by `print(layer)`."""
        return f"{super().extra_repr()}, recipe={self._recipe.label}"
