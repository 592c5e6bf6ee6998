"""Clearing: a pure function from (book, rules) to a result that anyone can verify."""

from __future__ import annotations

from services.core.clearing.clear import clear, clear_greedy, gap_ppm

__all__ = ["clear", "clear_greedy", "gap_ppm"]
