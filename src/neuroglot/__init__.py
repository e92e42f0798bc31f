"""neuroglot: which feed-forward neurons of a language model work for which language."""
