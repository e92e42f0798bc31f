"""Texts that models write: decoding, local models, endpoints and vLLM behind one interface, and translation."""
