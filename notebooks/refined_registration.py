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
# # Refined registration
#
# Allen's registration is an affine map for each section. Where it is not good enough, QuickNII, DeepSlice or VisuAlign give
# better ones: anchors, which say where the corners of a picture lie, and markers, which bend it. Their files are taken as
# they are, in place of Allen's affine and in the same single resampling.
#
# The phantom's own registration is exact, so here it is spoilt first: a file of anchors that are off, as if set in haste, is
# the rough one that is refined.

# %%
dataset = "phantom"  # or a real one, such as 71717640

# %%
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import atldld_xr

# %matplotlib inline
plt.rcParams["figure.dpi"] = 80
xr.set_options(display_expand_attrs=False, display_style="text");

# %% [markdown]
# ## To QuickNII
#
# Pictures of three sections, and a file of where they lie by now, which QuickNII and VisuAlign open.

# %%
few = {"coronal": slice(6500, 7700)}
ds = atldld_xr.open_dataset(dataset, resolution=50).sel(**few)
report = ds.atldld.to_quicknii("quicknii", longest=400)
sorted(path.name for path in Path("quicknii").iterdir())

# %% [markdown]
# The anchors of a picture are nine numbers, in voxels of 25 um: where its upper left corner lies, and its two
# edges. They are counted to the right, to the front and up.

# %%
series = json.loads(Path(report.path).read_text())
np.round(np.reshape(series["slices"][0]["anchoring"], (3, 3)), 1)

# %% [markdown]
# ## A rough registration
#
# All sections 350 um too far right and 300 um too low. It is opened as a registration, and the attribute says so.


# %%
def moved(series, by):
    """Return a series with the corner of each picture elsewhere: by (r, i), in micrometres."""
    slices = []
    for one, (right, down) in zip(series["slices"], by, strict=True):
        x, y, z, *edges = one["anchoring"]
        slices.append(one | {"anchoring": [x + right / 25, y, z - down / 25, *edges]})
    return series | {"slices": slices}


rough_series = moved(series, [(350, 300)] * len(series["slices"]))
Path("rough.json").write_text(json.dumps(rough_series))
rough = atldld_xr.open_dataset(dataset, resolution=50, registration="rough.json").sel(**few)
rough.attrs["registration"]

# %% [markdown]
# The outlines are in the reference space and stay; the picture is where the anchors have it.

# %%
structures = ["CTX", "PIR", "CA", "DG", "TH", "V3"] if dataset == "phantom" else None
rough.atldld.plot.overlay(at=7100, figsize=(8, 5.4), structures=structures);

# %% [markdown]
# ## Refine it
#
# People do this by eye, DeepSlice by a network. For a mere shift the middle of the tissue will do: it has to
# be where the middle of the annotated brain is.


# %%
def middles(mask):
    """Return the median place (r, i) of what is true, for each section, in micrometres."""
    x, y = xr.broadcast(mask.x, mask.y)
    return np.stack([c.where(mask).median(["y", "x"]).values for c in (x, y)], axis=1)


tissue = (rough.image.isel(channel=1) < 225) & rough.coverage
off = middles(tissue.compute()) - middles((rough.atldld.annotation() > 0).compute())
np.round(off)

# %% [markdown]
# Moved back by that, they are written as a file again, and it fits.

# %%
order = {int(one): k for k, one in enumerate(rough.section_image_id.values)}
by = [-off[order[int(one["filename"].partition("_")[0])]] for one in series["slices"]]
Path("refined.json").write_text(json.dumps(moved(rough_series, by)))
refined = atldld_xr.open_dataset(dataset, resolution=50, registration="refined.json").sel(**few)
refined.atldld.plot.overlay(at=7100, figsize=(8, 5.4), structures=structures);

# %% [markdown]
# ## How far apart
#
# `to_reference` takes pixels of the section images to the brain. The same pixels by two registrations lie this far apart:

# %%
pixels = np.stack(np.meshgrid(np.linspace(500, 2500, 9), np.linspace(500, 1500, 5)), axis=-1)
pixels = pixels.reshape(-1, 2)
allen = ds.atldld.to_reference(pixels).values
for name, one in {"rough": rough, "refined": refined}.items():
    apart = np.linalg.norm(one.atldld.to_reference(pixels).values - allen, axis=-1)
    print(f"{name:8} {np.median(apart):4.0f} um from Allen's (median)")

# %% [markdown]
# ## Bent by markers
#
# VisuAlign's markers say that what the anchors show at one place of the picture is at another. Between them the picture is
# bent, and far from them it stays. Here the top of the cortex is pulled some 300 um down; arrows show from where in the
# image each place is read.

# %%
bent_series = json.loads(Path("refined.json").read_text())
for one in bent_series["slices"]:
    width, height = one["width"], one["height"]
    still = [[fx * width, fy * height] * 2 for fx in (0.1, 0.5, 0.9) for fy in (0.45, 0.9)]
    one["markers"] = [[0.5 * width, 0.14 * height, 0.5 * width, 0.1 * height], *still]
Path("bent.json").write_text(json.dumps(bent_series))
bent = atldld_xr.open_dataset(dataset, resolution=50, registration="bent.json").sel(**few)

figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
bent.atldld.plot.overlay(at=7100, structures=structures, ax=axes[0])
bent.atldld.plot.field(7100, bend=True, ax=axes[1], title="what is bent besides the affine");

# %% [markdown]
# ## What cannot be
#
# Files are looked at before they are believed. Two sections with their anchors exchanged lie in another order than they were
# cut:

# %%
wrong = json.loads(Path("refined.json").read_text())
first, second = wrong["slices"][:2]
first["anchoring"], second["anchoring"] = second["anchoring"], first["anchoring"]
Path("wrong.json").write_text(json.dumps(wrong))
try:
    atldld_xr.open_dataset(dataset, registration="wrong.json")
except atldld_xr.errors.RegistrationError as error:
    print(error)
