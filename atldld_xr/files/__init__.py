"""Files whole, anywhere: on disks, in buckets and on web servers; and who may read them.

Below it are errors, messages and the reading of JSON; it knows nothing of Allen's.
"""
