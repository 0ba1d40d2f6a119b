"""Which source tiles each output block needs, and the arguments that say so. Pure.

It imports what records mean; it knows neither where tiles come from nor who makes arrays of them.
"""
