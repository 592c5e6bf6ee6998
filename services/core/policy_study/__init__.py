"""What policies cost and would cost: books cleared again under other policies.

Nothing is imported here: whoever only names the rounds loads no solver.
"""
