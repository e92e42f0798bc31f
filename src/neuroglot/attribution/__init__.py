"""How much each feed-forward neuron matters for an answer, by the four categories of Sharing Matters."""
