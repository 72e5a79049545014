"""The step-by-step account of one element: what `lowbit.explain` returns and how it is shown.

The arithmetic is the exact oracle's (`lowbit.reference`), run on the element's block alone; from the whole tensor come
only its amax and its non-finite numbers. Text, HTML and JSON are views of one list of steps.
"""

from lowbit.explanations.records import Explanation as Explanation
from lowbit.explanations.records import Step as Step
