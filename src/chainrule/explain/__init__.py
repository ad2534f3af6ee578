"""The graph of a computation, with the value and the gradient at every node, to read, to draw and to step through."""

from chainrule.explain.build import explain
from chainrule.explain.graph import Graph, Node

__all__ = ["Graph", "Node", "explain"]
