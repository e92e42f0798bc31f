"""Branched translation models."""
