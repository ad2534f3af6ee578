"""vmap: a function of one element, computed for a whole batch at once.

array      the batched array, which hides one leading axis
families   how each function of the standard is computed for a batch: a table of families of functions
products   the families of matrix products, and of joining and repeating
indexing   the families of x[key], take and their adjoints
namespace  batched(xp): the standard's names, each a function that looks up its family
vmap       vmap: batched arguments in, stacked results out
jacobians  jacobian and hessian: one pass for all rows
"""
