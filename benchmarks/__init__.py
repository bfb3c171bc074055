"""What simclock costs, as ratios to what the same program costs without it.

``python -m benchmarks`` runs everything and prints each figure beside its
target. One module for each subject; `measure` has what they share.
"""
