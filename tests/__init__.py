"""The tests, by rung of the ladder."""
