"""The gates: one function each, forward and local gradient on one screen.

    gate(xp, *arrays, **static) -> (output, one pullback per array)

`xp` is the array API namespace of the arrays. A gate uses no other, so it runs wherever the arrays live.
In a pullback g stands on the left of an operator: g may be traced where the saved arrays are plain, and not
every plain array allows a traced one on its right.
"""

# Each of these enters its gates in the tables of standard.py.
from chainrule.gates import activations as activations
from chainrule.gates import composed as composed
from chainrule.gates import elementwise as elementwise
from chainrule.gates import fourier as fourier
from chainrule.gates import indexing as indexing
from chainrule.gates import linear_algebra as linear_algebra
from chainrule.gates import losses as losses
from chainrule.gates import manipulation as manipulation
from chainrule.gates import statistical as statistical
from chainrule.gates.standard import ADJOINT as ADJOINT
from chainrule.gates.standard import COMPOSED as COMPOSED
from chainrule.gates.standard import FLOWS as FLOWS
from chainrule.gates.standard import PARTIAL as PARTIAL
from chainrule.gates.standard import REAL as REAL
from chainrule.gates.standard import RULES as RULES
from chainrule.gates.standard import SELECTING as SELECTING
