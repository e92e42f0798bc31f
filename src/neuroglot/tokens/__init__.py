"""From content to batches: texts, questions with answers, translation pairs and mixtures as tokens."""
