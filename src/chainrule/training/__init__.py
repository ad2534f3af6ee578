"""A training run: its configuration, its loop, its checkpoints, its model file and its report."""
