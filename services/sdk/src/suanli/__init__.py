"""The client of the Suanli Exchange."""
