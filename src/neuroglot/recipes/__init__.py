"""Recipes: one file a job, a config that can be run, saved and run again."""
