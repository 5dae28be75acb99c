"""A fault campaign: kills, two processes, full disks, hostile names, damaged files; with a seed.

``python -m tests.campaign --help`` says how it is run; docs/reliability.md holds its last table.
"""
