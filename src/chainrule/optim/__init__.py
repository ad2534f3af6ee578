"""Minimisation: optimisers, schedules, batches, descent and L-BFGS."""
