"""See it: the graph of a computation, with the value and the gradient at every node."""

from chainrule.explain.explain import explain
from chainrule.explain.graph import Graph, Node

__all__ = ["Graph", "Node", "explain"]
