# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Larger than memory
#
# A data set in full resolution is larger than most computers' memory: 60 sections of Allen's at 1 um are 16 GB, and
# four times that once they are floats. Nothing here ever holds it. The arrays are lazy and in chunks, so Dask fetches, warps
# and reduces a chunk and forgets it, on all cores of this machine or on a
# [cluster](killed_and_resumed.ipynb).

# %%
dataset = "phantom"  # or a real one, such as 71717640
detail = {"resolution": 4, "tier": 3}  # for all that the images have: {"resolution": 1}

# %% [markdown]
# The grid is of 4 um. To keep this notebook quick, images are fetched at tier 3, which is halved three times; as
# for memory that makes no difference.

# %%
import resource

import dask
import matplotlib.pyplot as plt
import xarray as xr

import atldld_xr

# %matplotlib inline
plt.rcParams["figure.dpi"] = 80
xr.set_options(display_expand_attrs=False, display_style="text");

# %% [markdown]
# ## What it would take
#
# `masked` is the Dataset in floats, with NaN where a section has no pixel, so that means are of tissue and glass alone
# and not of fill.

# %%
ds = atldld_xr.open_dataset(dataset, **detail)
measured = ds.atldld.masked.image
print(f"{measured.nbytes / 1e6:,.0f} MB in {measured.data.npartitions:,} chunks")

# %% [markdown]
# `explain` says what reading it takes before anything is fetched: requests to the service, bytes and time.

# %%
ds.image.atldld.explain()

# %% [markdown]
# ## Reduce it
#
# How dark is the stain? Red light shows it best, as the stain is blue. Two questions at once: a map of darkness in columns
# of 100 um for each section, and how much of each section is darker than glass. All of it is still a plan.

# %%
darkness = 255 - measured.isel(channel=0)
n = round(100 / ds.attrs["resolution"])
columns = darkness.coarsen(y=n, x=n, boundary="trim").mean()
tissue = (darkness > 30).sum(["y", "x"])

# %% [markdown]
# One call computes both, so that each tile is fetched once. Chunks of sections are independent of each other: what is
# in memory is what the threads have in work, and the results.

# %%
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
columns, tissue = dask.compute(columns, tissue)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024  # bytes, on Linux

assert grown < measured.nbytes / 4
print(f"{measured.nbytes / 1e6:,.0f} MB became {(columns.nbytes + tissue.nbytes) / 1e6:.1f} MB;")
print("memory grew by less than a quarter of the data")

# %% [markdown]
# ## Look at the result
#
# It is small, and in memory. The mean over all sections, and the area of tissue along the brain: the sum of pixels by their
# size.

# %%
mean = columns.mean("coronal").assign_coords(coronal=float(ds.coronal.mean()))
mean = mean.to_dataset(name="darkness").assign_attrs(ds.attrs, resolution=100)
area = tissue * (ds.attrs["resolution"] / 1000) ** 2

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
mean.atldld.plot.section(
    variable="darkness",
    ax=axes[0],
    cmap="magma",
    vmax=float(mean.darkness.quantile(0.998)),
    title="mean darkness over all sections",
)
axes[1].plot(area.coronal / 1000, area, marker="o")
axes[1].set(
    title="area of tissue in each section",
    xlabel="anterior  ←  p (mm)  →  posterior",
    ylabel="area (mm²)",
    ylim=(0, None),
);

# %% [markdown]
# ## Only a part
#
# What is not asked for costs nothing. A window of one section, at the same 4 um, needs a request or two:

# %%
window = ds.isel(coronal=8, y=slice(500, 900), x=slice(1500, 2100))
print(f"{window.image.nbytes / 1e6:.1f} MB, {window.image.atldld.explain().requests} request")
window.atldld.plot.section(figsize=(8, 5.6));

# %% [markdown]
# ## Keep what is large
#
# A result that is itself too large for memory goes to disk chunk by chunk; interrupted, the same call goes on. Here
# it is darkness in bytes, of a few sections at 100 um.

# %%
small = atldld_xr.open_dataset(dataset, resolution=100)
small = small.sel(coronal=slice(5000, 8000))
inverted = (255 - small[["image"]]).assign_attrs(small.attrs)
report = inverted.atldld.to_zarr("darkness.zarr")
print(report.blocks, "blocks;", atldld_xr.status("darkness.zarr").state)
