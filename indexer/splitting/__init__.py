"""Splitting: a file becomes units, a unit becomes blocks; parsing in processes that can be killed.

No file is read and nothing is stored here.
"""
