"""How often neurons fire; import from the modules, `record` needs a model and the counts do not."""
