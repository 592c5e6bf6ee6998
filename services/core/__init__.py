"""The functional core: frozen values and pure functions, no input or output."""
