"""Products, inverses, norms and decompositions of matrices.

Rules without a source of their own are those of Giles, An extended collection of matrix derivative results for forward
and reverse mode algorithmic differentiation, Oxford University report 08/01 (2008). Stacks of matrices broadcast as
elementwise operands do, and the tape sums their gradients back in the same way.
"""

from chainrule.gates.linear_algebra import decompositions as decompositions
from chainrule.gates.linear_algebra import matrices as matrices
from chainrule.gates.linear_algebra.matrices import matmul as matmul
