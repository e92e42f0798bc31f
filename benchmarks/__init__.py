"""Benchmarks of neuroglot beside what its users would otherwise write; not part of the package."""
