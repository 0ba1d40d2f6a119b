"""Allen Brain Atlas section data sets as lazy xarray arrays, registered to the reference space."""

__version__ = "0.1.0"
