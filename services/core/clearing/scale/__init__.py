"""Clearing of large books: compiled loops over flat arrays, and no solver.

Imported only when a book is too large for the exact path, so that small books and the client
never pay for the compiler.
"""
