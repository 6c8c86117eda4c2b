"""Contexts by the million: read, made up, and evaluated in columns instead of one by one.

A population is a file of evaluation contexts. `reading` turns it into batches, `engine` answers one flag for all rows of a batch
at once, `counting` adds the answers up, `generate` makes a population up from what a flag repository declares. The room needs
NumPy, and PyArrow for Parquet, which come with the extra ``population``.
"""
