"""From a name to a lazy, registered Dataset; and xarray's engine.

It imports arrays, plans and sources; what is written of a Dataset is not its concern.
"""
