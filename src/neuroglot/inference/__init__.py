"""Inference: prompts to texts, by a local model or an endpoint, and the translation of corpora."""
