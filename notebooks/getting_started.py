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
# # Getting started
#
# Get a section of the Allen Brain Atlas, and warp it to the reference space. Section images come from the microscope as
# they lay on the glass: shifted, turned, and cut a little obliquely. Allen has registered each of them to a common brain.
# This notebook opens a data set, looks at a section, shows what the registration does to it, reduces the stack to a
# curve and a projection, and writes it to disk.
#
# It runs on `"phantom"`, a brain given by a formula that comes with the package, so it needs no network. With the id of
# a real data set in its place all else stays the same, provided that it has expression masks. Ids are found
# by gene: `atldld_xr.search(gene="Gad1", plane="coronal")`, as
# [From a gene to numbers](gene_to_numbers.ipynb) does.

# %%
dataset = "phantom"  # or a real one, such as 71717640

# %%
import tempfile
from pathlib import Path

import dask
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import atldld_xr

# %matplotlib inline
plt.rcParams["figure.dpi"] = 80
xr.set_options(display_expand_attrs=False, display_style="text");

# %% [markdown]
# ## Open
#
# Opening reads the record of the data set and not one image. Coordinates are micrometres in the reference space, at the
# centres of pixels: `coronal` from anterior to posterior, `y` from dorsal to ventral, `x` from left to right.

# %%
ds = atldld_xr.open_dataset(dataset, resolution=25, expression="intensity")
ds

# %% [markdown]
# Sections that Allen failed, or that cannot be registered, are left out, and named:

# %%
ds.atldld.excluded()

# %% [markdown]
# ## Look
#
# All sections at a glance, anterior first. They are fetched as they are drawn, no finer than the picture shows.

# %%
ds.atldld.plot.montage(columns=6)

# %% [markdown]
# One section, the one nearest to 6600 um, and Allen's mask of where the gene is expressed. The four dots on the
# glass are marks of the phantom.

# %%
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
ds.atldld.plot.section(6600, ax=axes[0])
ds.atldld.plot.section(6600, variable="expression", ax=axes[1], cmap="magma");

# %% [markdown]
# The same place in finer pixels. Only the window is fetched, from the tier of Allen's image pyramid that it needs.

# %%
fine = atldld_xr.open_dataset(dataset, resolution=5)
window = fine.atldld.section(6600).sel(y=slice(2200, 3800), x=slice(6000, 8500))
window.atldld.plot.section(figsize=(8, 5.2));

# %% [markdown]
# ## Get a section, warp it
#
# What happens between the two. `open_image` gives the section image as it is, in its own pixels. The variable
# `displacement` says of each registered pixel how far from it, in the raw image, its colour lies.

# %%
section = ds.atldld.section(6600)
raw = atldld_xr.open_image(
    int(section.section_image_id), tier=int(section.tier), source=ds.attrs["source"]
)
field = atldld_xr.DisplacementField(*np.moveaxis(section.displacement.values, -1, 0))
warped = field.warp(raw.image.values, border_mode="constant", c=255)

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
axes[0].imshow(raw.image)
axes[0].set(title="raw", xlabel="column (px)", ylabel="row (px)")
section.image.copy(data=warped).atldld.plot.section(ax=axes[1], title="warped");

# %% [markdown]
# `image` is the same in one step, with one difference: where a registered pixel is larger than one of the
# raw image, it is the mean over its area and not a point.

# %%
covered = section.coverage.values
difference = np.abs(warped.astype(int) - section.image.values)[covered]
print(f"in grey levels of 255, they differ by {difference.mean():.1f} on average")

# %% [markdown]
# ## Reduce the stack
#
# The arrays are chunked: reductions run in parallel and hold a few chunks at a time. For an overview pixels of 100 um
# are enough, for which 1/16 of the bytes are fetched. Fill is not data, so take means where something was
# measured: `expression_coverage` says where the masks have pixels.

# %%
ds = atldld_xr.open_dataset(dataset, resolution=100, expression="intensity")
expression = ds.expression.where(ds.expression_coverage)
profile = expression.mean(["y", "x"])
highest = ds.assign(expression=expression)[["expression"]].max("coronal", keep_attrs=True)
profile, highest = dask.compute(profile, highest)  # each mask is fetched once for both
highest = highest.assign_coords(coronal=float(ds.coronal.mean()))  # it is seen as a coronal plane

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
axes[0].plot(profile.coronal / 1000, profile, marker="o")
axes[0].set(
    title="mean expression of each section",
    xlabel="anterior  ←  p (mm)  →  posterior",
    ylabel="intensity (of 255)",
)
highest.atldld.plot.section(
    variable="expression", ax=axes[1], title="highest along the coronal axis", cmap="magma"
);

# %% [markdown]
# The bright disc is on the left, where left is: the phantom has it there to tell the sides, as an injection would.
#
# ## Write and reopen
#
# The store is Zarr, and may be anywhere that fsspec knows, such as `s3://bucket/sections.zarr`. An
# export that was interrupted goes on when it is called again, see
# [Killed and resumed](killed_and_resumed.ipynb).

# %%
folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "sections.zarr"
middle = ds[["image", "coverage"]].sel(coronal=slice(5000, 8000))
report = middle.atldld.to_zarr(store)
print(report.blocks, "blocks,", report.nbytes // 1000, "kB,", len(report.failures), "failures")

again = xr.open_zarr(store)
np.testing.assert_array_equal(again.image, middle.image)
again.sizes

# %%
folder.cleanup()

# %% [markdown]
# From here: [larger than memory](out_of_core.ipynb), [registration looked at](registration.ipynb),
# [true volumes](true_volumes.ipynb), [in neuroglancer](neuroglancer.ipynb).
