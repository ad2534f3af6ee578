"""The engine, file by file in the order in which one learns it.

traced       the array whose operations are recorded
tape         levels, nodes, recording a gate, the backward pass: the chain rule
namespace    differentiable(xp): the standard's names, each a function that records
wrappers     how the functions that are no gates are made
transforms   grad, vjp, jvp, jacobian, hessian
variables    variable and backward
custom_gate  gate: a rule of your own
remat        checkpoint: memory for time
gradcheck    check_gradients: gradients against differences; finite_differences has these, judging holds against them
"""
