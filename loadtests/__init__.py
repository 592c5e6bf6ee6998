"""Measurements, as ratios against a peer or a limit of the machine in the same run."""
