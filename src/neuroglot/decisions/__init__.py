"""How a model's scores become a decision: transforms to probabilities, decision rules, and gains between texts."""
