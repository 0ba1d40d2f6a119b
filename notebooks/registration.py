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
# # Registration looked at
#
# What does "registered" mean for one section? Allen gives two affine maps: from the image to a volume of stacked sections,
# and from there to the reference space. Both are composed here, and the image is resampled once. This notebook
# shows each step: the raw image, the field that leads from one to the other, the warped section with outlines of
# structures, how obliquely it was cut, and from which tier of the image pyramid its pixels come.

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
# ## How the sections lie
#
# From the record alone, without an image: all planes seen from the side, from above and from the front. They are not quite
# parallel to the axes of the reference space. That is how the knife met the brain.

# %%
ds = atldld_xr.open_dataset(dataset, resolution=25)
figure = ds.atldld.plot.preview()
figure.set_dpi(60)
figure

# %% [markdown]
# ## Raw
#
# The image as it was taken, in its own pixels: shifted and turned on the glass.

# %%
section = ds.atldld.section(7100)
raw = atldld_xr.open_image(int(section.section_image_id), tier=3, source=ds.attrs["source"])
raw.atldld.plot.section(figsize=(8, 5.6), title="raw");

# %% [markdown]
# ## Field
#
# For each pixel of the registered section: by how much is its colour's place in the raw image off? Allen's
# registration is affine, so that the field is a shift, a turn, a stretch and a shear, and no more.

# %%
section.atldld.plot.field(figsize=(8, 5.2), arrows=20);

# %% [markdown]
# The coordinate `affine` says the same in six numbers: it takes (y, x, 1) in micrometres to the image's full-resolution
# pixels (x, y). The angle of it is by how much the section lay turned on the glass.

# %%
down, right = section.affine.values[:, 0], section.affine.values[:, 1]
turned = np.degrees(np.arctan2(right[1], right[0]))
print(f"turned by {turned:.1f} degrees,", end=" ")
print(f"scaled by {np.hypot(*right):.3f} and {np.hypot(*down):.3f} px per um")

# %% [markdown]
# ## Warped, with outlines
#
# Outlines are those of the annotation, cut along the section's own plane, in the colours of the ontology. They fit:
# bands of cells and ventricles are inside of theirs.

# %%
structures = ["CTX", "PIR", "CA", "DG", "TH", "HY", "V3"] if dataset == "phantom" else None
section.atldld.plot.overlay(figsize=(9, 6), structures=structures, names=structures is not None);

# %% [markdown]
# ## Tilt
#
# A section is oblique, so one coordinate cannot say where all of it lies. `coronal` holds at its centre;
# `true_coordinate` has it for every pixel. Anterior and posterior parts of this section are this far apart:

# %%
true = section.atldld.true_coordinate()
print(f"from p = {float(true.min()):.0f} to {float(true.max()):.0f} um")

figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
section.atldld.plot.section(ax=axes[0])
off = (true - section.coronal).to_dataset(name="off").assign_attrs(ds.attrs)
shown = off.atldld.plot.section(
    variable="off", ax=axes[1], cmap="RdBu_r", title="true coordinate less the section's"
)
figure.colorbar(shown, ax=axes[1], label="posterior of it (um)", shrink=0.8);

# %% [markdown]
# This matters for outlines. Cut at a plane of constant `coronal` in place of the section's own, labels
# are wrong in some share of the tissue:

# %%
labels = section.atldld.annotation().compute()
volume = atldld_xr.open_annotation(resolution=25, source=dataset if dataset == "phantom" else None)
flat = volume.sel(coronal=float(section.coronal), method="nearest").compute()
tissue = labels.values > 0
print(f"{(labels.values != flat.values)[tissue].mean():.1%} of the pixels in the brain")

# %% [markdown]
# ## Tiers
#
# Allen keeps each image in halved sizes. `resolution` picks the coarsest tier whose pixels are no larger than the output's, and
# what remains is averaged over the output pixel. So a coarse overview moves few bytes, and looks the same as a
# fine one made coarse. (Bytes are of whole images: up to 3072 px a side they are read at once.)

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for ax, resolution in zip(axes, (100, 25, 5), strict=True):
    seen = atldld_xr.open_dataset(dataset, resolution=resolution).atldld.section(7100)
    seen = seen.sel(y=slice(2000, 3600), x=slice(6000, 8000))
    size = seen.image.atldld.explain().estimated_bytes
    seen.atldld.plot.section(
        ax=ax, title=f"{resolution} um: tier {int(seen.tier)}, {size / 1000:,.0f} kB"
    )
