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
# # In neuroglancer, served on the fly
#
# [neuroglancer](https://github.com/google/neuroglancer) shows images of any size in a browser: it asks for the chunks
# that are on screen, in the detail that the screen can show. Here there is no such file: this process makes the chunks as they are asked for,
# from the tier of Allen's image pyramid that they need. Nothing is exported.

# %%
dataset = "phantom"  # or a real one, such as 71717640

# %%
import matplotlib.pyplot as plt
import requests
import xarray as xr
import zarr

import atldld_xr
from atldld_xr.serve import AllenStore
from atldld_xr.serve.view import stop_viewing

# %matplotlib inline
plt.rcParams["figure.dpi"] = 80
xr.set_options(display_expand_attrs=False, display_style="text");

# %% [markdown]
# ## Look
#
# One line. With `open_browser=True`, which is the default, it opens in the browser, at the section nearest to 7100 um, in its
# colours and with Allen's annotation over it. `atldld-xr serve 71717640 --annotation` does so from a terminal.

# %%
ds = atldld_xr.open_dataset(dataset, resolution=25)
link = ds.atldld.view(at=7100, annotation=True, open_browser=False)

# %% [markdown]
# So it looks. Scroll to go on from plane to plane, with Ctrl to come nearer; the key 2 hides the annotation.
#
# ![neuroglancer with a coronal section and outlines of structures](neuroglancer.png)
#
# ## What the viewer is told
#
# The link leads to a state: which layers there are, where to look, and how to colour them.

# %%
viewer, _, address = link.partition("#!")
state = requests.get(address).json()
for layer in state["layers"]:
    print(layer["type"], layer["name"])
print("at x, y, z =", state["position"], "um, in", viewer)

# %% [markdown]
# The layers are OME-Zarr, a format that many programs read, such as napari, Fiji and web viewers. Its metadata say which way
# is which, and how large the voxels of each level of detail are.

# %%
address = state["layers"][0]["source"]["url"].removeprefix("zarr://")
attributes = requests.get(address + "zarr.json").json()["attributes"]
print(attributes["atldld_xr"]["orientation"])
for level in attributes["ome"]["multiscales"][0]["datasets"]:
    print("level", level["path"], level["coordinateTransformations"][0]["scale"], "(c, z, y, x)")

# %% [markdown]
# Sections are half a millimetre apart here, and so are the planes: no plane is empty but where a section is missing.
#
# ## The same without a browser
#
# What is served is a read-only Zarr store, which can be had in Python as well. A chunk that is read from it is made then.

# %%
store = AllenStore(dataset, resolution=25, levels=3)
levels = zarr.open(store)
for name in "012":
    print(name, levels[name].shape, "in chunks of", levels[name].chunks)

# %% [markdown]
# One plane in all three, as a viewer has it far away and near. Each is read at its own resolution, not made of the
# one before.

# %%
sections = attributes["atldld_xr"]["sections"]
plane = min(sections, key=lambda section: abs(section["position"] - 7100))["plane"]

figure, axes = plt.subplots(1, 3, figsize=(11, 3), layout="constrained")
for ax, name in zip(axes, "210", strict=True):
    pixels = levels[name][:, plane]
    ax.imshow(pixels.transpose(1, 2, 0), extent=(0, 11.4, 8, 0))
    ax.set(title=f"level {name}: {pixels.nbytes / 1000:.0f} kB", xlabel="r (mm)", ylabel="i (mm)")

# %% [markdown]
# ## Keep what was looked at
#
# `atldld-xr serve 71717640 --keep 71717640.ome.zarr` writes each chunk that somebody looks at into an OME-Zarr, which
# `atldld-xr export` with the same options completes. Here nothing was written, and the server ends with this process, or by:

# %%
stop_viewing()
