"""What messages are made of: texts of others, numbers and tables, for people. Pure.

It imports nothing of this package.
"""
