"""Stochastic rounding, proven: exact probabilities by enumeration, and tests of bias and independence (contract §5).

`check_stochastic` takes a quantizer and a format, `check_words` a source of random words. Expectations are exact
rationals (`expectation`), random words a second implementation (`words`): no kernel of lowbit is asked. See
docs/conformance.md.
"""

from lowbit.testing.stochastic.check import check_stochastic as check_stochastic
from lowbit.testing.stochastic.check import check_words as check_words
from lowbit.testing.stochastic.records import Enumeration as Enumeration
from lowbit.testing.stochastic.records import Identity as Identity
from lowbit.testing.stochastic.records import StatisticalTest as StatisticalTest
from lowbit.testing.stochastic.records import StochasticReport as StochasticReport
