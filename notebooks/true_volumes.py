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
# # True volumes, and what lies between sections
#
# A stack of sections is no volume. Sections are thin, some hundred micrometres apart, a little oblique, and some are missing.
# `open_volume` asks of every voxel of the reference grid between which sections it truly lies, reads it from there, and
# says how far it is from measured tissue. So it is seen what was measured, what was interpolated, and what is unknown.

# %%
dataset = "phantom"  # or a real one, such as 71717640

# %%
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
# Two ways to fill what lies between sections: `"nearest"` shows measured pixels alone, `"linear"` weights the sections on
# either side by where the voxel lies. Where the gap is too wide, or beyond the last section, there is nothing.

# %%
nearest = atldld_xr.open_volume(dataset, resolution=50)
volume = atldld_xr.open_volume(dataset, resolution=50, method="linear")
volume.image.sizes

# %%
print(volume.attrs["resolution_across_sections"])

# %% [markdown]
# ## A plane between two sections
#
# It crosses several sections as these are oblique: in `nearest` there is an edge where one leads on to the next.
# Voxels far from any section are left out there, in `linear` both neighbours know of them. The third
# picture is the distance to the nearest section.

# %%
plane = {"coronal": 6875, "method": "nearest"}
panels = {"nearest": nearest.sel(**plane), "linear": volume.sel(**plane)}

figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
for ax, (name, shown) in zip(axes, panels.items(), strict=False):
    shown.atldld.plot.section(ax=ax, title=name)
far = panels["linear"].atldld.plot.section(
    variable="distance", ax=axes[2], title="distance to the nearest section", cmap="viridis"
)
figure.colorbar(far, ax=axes[2], label="um", shrink=0.7);

# %% [markdown]
# ## Cut the other way
#
# Coronal sections seen from the side. Where a section failed, the gap stays open: it is wider than what neighbours can
# say anything of. The dark block is the phantom's landmark, a ball of 0.8 mm: of something so small, sections half
# a millimetre apart do not tell where it ends.

# %%
side = volume.sel(x=3500, method="nearest")
figure, axes = plt.subplots(1, 2, figsize=(11, 3.5), layout="constrained")
side.atldld.plot.section(ax=axes[0], title="sagittal, r = 3.5 mm")
far = side.atldld.plot.section(variable="distance", ax=axes[1], title="distance", cmap="viridis")
figure.colorbar(far, ax=axes[1], label="um", shrink=0.7);

# %% [markdown]
# ## What was measured, and what was not
#
# `distance` and `section` are of the geometry alone and fetch no pixel, so they are known of the whole volume at once.

# %%
coarse = atldld_xr.open_volume(dataset, resolution=200, method="linear")
inside = atldld_xr.open_annotation(
    resolution=100, source="phantom" if dataset == "phantom" else None
)
brain = inside.isel(coronal=slice(1, None, 2), y=slice(1, None, 2), x=slice(1, None, 2)).values > 0
distance = coarse.distance.values[brain]
for limit in (25, 50, 100, 250):
    print(f"{(distance <= limit).mean():4.0%} of the brain within {limit} um of a section")
print(f"{np.isnan(distance).mean():4.0%} unknown")

# %% [markdown]
# From which section each voxel is read, seen from above: strips, and oblique.

# %%
which = coarse.section.sel(y=4300, method="nearest")
_, number = np.unique(which.values, return_inverse=True)
number = np.where(which.values > 0, number.reshape(which.shape), np.nan)
which.copy(data=number).atldld.plot.section(
    figsize=(6, 6.4), title="horizontal, i = 4.3 mm: a colour for each section", cmap="tab20"
);

# %% [markdown]
# ## Is it true?
#
# The phantom is a formula, so that what should be seen in the plane above is known. Over squares of 200 um:

# %%
if dataset == "phantom":
    from atldld_xr.testing import value

    p, i, r = (panels["linear"][name].values for name in ("coronal", "y", "x"))
    truth = value(p, i[:, None], r)
    both = panels["nearest"].coverage.values & panels["linear"].coverage.values
    for name, shown in panels.items():
        off = xr.DataArray(shown.image.values - truth, dims=("y", "x", "channel"))
        off = off.where(both[..., None]).coarsen(y=4, x=4).mean()
        print(f"{name:8} {float(np.sqrt((off**2).mean())):.1f} grey levels (rms)")

# %% [markdown]
# By how much a volume is truer than sections taken for planes depends on how obliquely these were cut: the page
# [True volumes](https://github.com/atldld-xr/atldld_xr/blob/main/docs/volumes.md) has it of recorded data sets.

# %% [markdown]
# ## For other programs
#
# NRRD, NIfTI and TIFF, streamed to disk plane by plane; `.zarr` and `.ome.zarr` can be interrupted and gone on with.
# Here it is the distance, as a mask for others; `variable="image", channel="grey"` is the brain.

# %%
report = coarse.atldld.to_volume("distance.nrrd", variable="distance")
print(report.format, report.shape)
