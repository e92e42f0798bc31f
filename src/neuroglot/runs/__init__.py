"""Run folders: what a job writes, whole or not at all; what it costs; their index, and serving it."""
