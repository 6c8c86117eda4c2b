"""Data that obeys its schema to objects of `flagctl.model`, and what conversions find wrong on the way."""
