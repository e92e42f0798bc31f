"""Selection rules: which neurons serve which language, by thirteen selectors and by direction of translation."""
