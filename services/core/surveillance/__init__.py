"""Market surveillance: rules that find what a supervisor should look at in a market day.

Each family of rules is a module: pure functions of a day's `tape.Tape` and of `Thresholds`. They
return `cases.Case`s with the ids of the orders, allocations and rounds that are the evidence. A
case is a question to a supervisor, never a verdict.
"""
