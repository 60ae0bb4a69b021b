"""Ours against what a user would pick instead, same work, alternating in one run: `make bench`."""
