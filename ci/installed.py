"""Use the installed package as someone who has nothing but it.

``python ci/installed.py CHECKOUT``, from outside of it.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import xarray as xr

import atldld_xr

checkout = Path(sys.argv[1]).resolve()
where = Path(atldld_xr.__file__).resolve()
assert checkout not in where.parents, f"{where} is the checkout's"
assert version("atldld-xr") == atldld_xr.__version__
assert where.with_name("py.typed").is_file()

ds = atldld_xr.open_dataset("phantom", resolution=200)
block = ds.image.isel(coronal=slice(2), y=slice(10, 40), x=slice(10, 40)).compute()
assert block.shape == (2, 30, 30, 3), block.shape
assert block.min() < 255, "nothing but fill"
# xarray finds the engine by the entry point, without an import of ours.
other = xr.open_dataset("allen:phantom", engine="atldld", resolution=200, chunks=None)
assert other.image[0, 10:40, 10:40].equals(block[0])
print(f"atldld-xr {version('atldld-xr')} opens, computes and has its engine in {where.parent}")
