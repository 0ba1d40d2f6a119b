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
# # From a gene to numbers
#
# Which data sets show a gene, and how much of it does each structure express? Find them by name, look at one to see whether
# the outlines fit, count on the sections as Allen defines it, and see whether a second experiment, cut in the
# other plane, agrees.

# %%
dataset = "phantom"  # or a gene, such as "Calb1"

# %%
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

import atldld_xr

# %matplotlib inline
plt.rcParams["figure.dpi"] = 80
xr.set_options(display_expand_attrs=False, display_style="text")

if dataset == "phantom":  # a search asks a service: here is one that has two phantoms
    from dataclasses import replace

    from atldld_xr.testing import PHANTOMS, AllenServer

    phantoms = [replace(phantom, resolution=16) for phantom in PHANTOMS.values()]
    atldld_xr.config.set(source=AllenServer(phantoms).start().url)
    gene, atlas = "Phan*", atldld_xr.open_annotation(resolution=50, source="phantom")
    areas = ["CTX1", "CTX2/3", "CTX4", "CTX5", "CTX6", "PIR", "OB", "CA", "DG", "CP", "LM"]
    areas += ["TH", "HY", "MB", "HB", "CB"]
else:
    gene, atlas = dataset, atldld_xr.open_annotation()
    areas = ["Isocortex", "OLF", "CA", "DG", "CTXsp", "STR", "PAL", "TH", "HY", "MB", "P"]
    areas += ["MY", "CB"]

# %% [markdown]
# ## Search
#
# By acronym, where `*` is anything. A name that is not there is an error which tells of those that are near. The result is
# a pandas table.

# %%
atldld_xr.genes(gene)

# %%
found = atldld_xr.search(gene=gene)
found[["id", "genes", "plane", "sections", "failed_sections", "age", "sex", "expression"]]

# %% [markdown]
# ## Look before counting
#
# Numbers are as good as the registration. Here is a section of the coronal data set with outlines, and beside it what Allen's
# mask has as expressing, in grey levels of 255.

# %%
by_plane = found.drop_duplicates("plane").set_index("plane").id
ds = atldld_xr.open_dataset(by_plane["coronal"], resolution=50, expression="intensity")

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
ds.atldld.plot.overlay(atlas, at=7100, structures=areas, ax=axes[0])
ds.atldld.plot.overlay(
    atlas, at=7100, structures=areas, variable="expression", cmap="gray", ax=axes[1], title="mask"
);

# %% [markdown]
# ## Numbers
#
# Of each structure with all its parts, by side of the brain: `expression_density` is the share of its pixels that express,
# `expression_intensity` how dark these are, and `expression_energy` the product of both. Each section is cut by the
# annotation along its own plane. Sums are whole numbers, the same on any machine.

# %%
numbers = ds.atldld.structure_summary(atlas, structures=areas, hemisphere="each")
columns = ["expression_density", "expression_intensity", "expression_energy", "volume_mm3"]
both = numbers.sel(hemisphere_id=3)[columns].to_dataframe()[columns]
both.sort_values("expression_energy", ascending=False).head(8).round(3)

# %% [markdown]
# Left and right apart, as hatched bars. The phantom has a landmark (LM) on the left alone, to show that sides are sides.

# %%
numbers.sel(hemisphere_id=[1, 2]).atldld.plot.summary(figsize=(8, 6), sort=False);

# %% [markdown]
# ## Along the brain
#
# `by="section"` keeps the sections apart.

# %%
each = ds.atldld.structure_summary(atlas, structures=["CA", "DG"], by="section")
figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
for structure in each.structure.values:
    seen = each.sel(structure=structure).dropna("section", subset=["expression_energy"])
    axes.plot(seen.coronal / 1000, seen.expression_energy, marker="o", label=structure)
axes.set(xlabel="anterior  ←  p (mm)  →  posterior", ylabel="expression energy")
axes.legend();

# %% [markdown]
# ## Another experiment
#
# The same of sagittal sections. They are of the left half of the brain, as most of Allen's are, so it is compared with that of the
# other; what hardly expresses is off the axes.

# %%
sagittal = atldld_xr.open_dataset(by_plane["sagittal"], resolution=50, expression="intensity")
others = sagittal.atldld.structure_summary(atlas, structures=areas, hemisphere="left")

one = numbers.sel(hemisphere_id=1).expression_energy.to_series()
two = others.expression_energy.to_series()
figure, axes = plt.subplots(figsize=(5.5, 5), layout="constrained")
axes.scatter(one, two)
for area in areas:
    if min(one[area], two[area]) > 1:
        axes.annotate(area, (one[area], two[area]), xytext=(4, -9), textcoords="offset points")
axes.axline((1, 1), (100, 100), color="0.7", zorder=0)
axes.set(xscale="log", yscale="log", xlim=(1, 400), ylim=(1, 400), aspect="equal")
axes.set(xlabel="coronal", ylabel="sagittal", title="expression energy, left")
both_there = one.notna() & two.notna()
print(f"correlation {np.corrcoef(one[both_there], two[both_there])[0, 1]:.2f}")

# %% [markdown]
# ## Keep them
#
# One line for each structure and side. Of hundreds of data sets `atldld_xr.summarize(found, url="table.zarr")` makes one table,
# and goes on where it was stopped.

# %%
path = numbers.atldld.to_table("numbers.csv")
print(path.name, "has", len(path.read_text().splitlines()) - 1, "lines")
