"""Pure functions and values, no input or output."""
