"""A flag's way out of Python code: its evaluations become one answer, and what that leaves behind goes.

Works on libcst's lossless trees, so that what stays keeps its comments and layout. Pure: texts in, texts out.
"""
