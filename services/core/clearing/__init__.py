"""Clearing: a pure function from (book, rules) to a result that anyone can verify.

``clear.clear`` is its door. Nothing is imported here: a reader of books loads no solver.
"""
