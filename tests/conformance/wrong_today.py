"""What is wrong today, and why: the one list of it.

A cell that is named here must be wrong; once it is mended, its line has to go.
"""

WRONG_TODAY = {}
