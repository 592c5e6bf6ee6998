"""The matching service: intake, the book, rounds, and their clearing."""
