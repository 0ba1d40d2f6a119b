"""Where things are computed: threads, clusters, and how far they are.

It imports files, as the workers of clusters are told storage options; it knows nothing of Allen's.
"""
