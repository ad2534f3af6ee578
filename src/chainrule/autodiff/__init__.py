"""The engine: traced arrays, the tape of their gates, and the transforms that walk it."""
