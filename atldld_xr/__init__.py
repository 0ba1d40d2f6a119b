"""Allen Brain Atlas section data sets as lazy xarray arrays, registered to the reference space."""

__version__ = "0.1.0"

from atldld_xr import accessor  # registers Dataset.atldld
from atldld_xr.dataset import open_dataset
from atldld_xr.image import open_image
from atldld_xr.settings import config

__all__ = ["__version__", "accessor", "config", "open_dataset", "open_image"]
