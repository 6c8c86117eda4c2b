"""Seeded generators of flag repositories, of contexts to evaluate them with, and of their YAML text.

Everything takes a `random.Random`: seeded for bulk, or drawn by hypothesis (`strategies.py`) where shrinking helps.
"""
