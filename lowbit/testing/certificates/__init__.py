"""Certificates: every float32 input of an element, or amax of a scale, checked against boundaries derived exactly.

What the kernels compute is compared with code assignments that share nothing with them: value lists come from the
definitions (`definitions`), decision boundaries between neighbours are exact rationals, each mapped to the least
float32 pattern beyond it (`element_boundaries`, `scale_boundaries`), and between boundaries one code holds for a whole
run of patterns. Neither lowering, kernels nor the oracle's tables take part. What is shared is the description of a
format (the fields of a float or integer, the entries and codes of a codebook, which are its definition) and the
public functions that are under test.
"""

from lowbit.testing.certificates.certificate import Certificate as Certificate
from lowbit.testing.certificates.certificate import Check as Check
from lowbit.testing.certificates.checking import Disagreement as Disagreement
from lowbit.testing.certificates.checking import certify as certify
from lowbit.testing.certificates.checking import check_sample as check_sample
from lowbit.testing.certificates.checking import recheck as recheck
from lowbit.testing.certificates.collection import certified_formats as certified_formats
from lowbit.testing.certificates.collection import file_name as file_name
