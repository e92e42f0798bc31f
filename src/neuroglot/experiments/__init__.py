"""Experiments: a model, data and options become a result; no folder is written and nothing is printed."""
