"""What Allen's records mean: metadata, spaces, the two affines, tiers, ids, queries. Pure.

Below it are errors, messages and the reading of JSON; it knows no plan, no source and no file.
"""
