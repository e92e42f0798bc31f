"""Neuron Specialization (Tan et al. 2024): each direction of translation has neurons of its own."""
