"""Recipes as frozen data: which operand of which GEMM is cast to which format. Needs neither numpy nor torch."""

from lowbit.recipes.cast import Cast as Cast
from lowbit.recipes.catalog import all_gemms as all_gemms
from lowbit.recipes.catalog import forward_only as forward_only
from lowbit.recipes.catalog import list_recipes as list_recipes
from lowbit.recipes.catalog import recipe as recipe
from lowbit.recipes.json_form import recipe_from_json as recipe_from_json
from lowbit.recipes.json_form import recipe_to_json as recipe_to_json
from lowbit.recipes.table import OPERANDS as OPERANDS
from lowbit.recipes.table import Gemm as Gemm
from lowbit.recipes.table import Pass as Pass
from lowbit.recipes.table import Recipe as Recipe
from lowbit.recipes.table import Role as Role
from lowbit.recipes.table import Saved as Saved
