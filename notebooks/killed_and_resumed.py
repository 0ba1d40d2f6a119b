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
# # Killed and resumed
#
# An export of a large data set takes hours, and much can end it: a job's time limit, a laptop's lid, a worker without memory.
# Here an export to a bucket is killed in the middle, without a warning, and goes on as a job on a Dask cluster, of
# which a worker is killed, too. What comes of it is compared with what should be there.

# %%
dataset = "phantom"  # or a real one, such as 71717640

# %% [markdown]
# The bucket is one of Moto's, which plays S3 on this machine, and the service one that takes its time over the phantom. With
# a bucket of your own and its credentials in the environment, leave both out.

# %%
import logging
import os
import signal
import subprocess
import sys
import threading
import time

import fsspec
import numpy as np
import xarray as xr
from distributed import Client, LocalCluster
from moto.server import ThreadedMotoServer

import atldld_xr

# %matplotlib inline
xr.set_options(display_expand_attrs=False, display_style="text")

logging.getLogger("werkzeug").setLevel(logging.ERROR)
moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
moto.start()
os.environ["AWS_ENDPOINT_URL"] = "http://{}:{}".format(*moto.get_host_and_port())
os.environ |= {"AWS_ACCESS_KEY_ID": "mine", "AWS_SECRET_ACCESS_KEY": "mine"}
fsspec.filesystem("s3").mkdir("brains")
url = "s3://brains/sections.zarr"

if dataset == "phantom":
    from dataclasses import replace

    from atldld_xr.testing import CORONAL, AllenServer

    server = AllenServer([replace(CORONAL, resolution=32)], latency=0.6).start()
    os.environ["ATLDLD_XR_SOURCE"] = server.url  # of processes that begin after this
    atldld_xr.config.set(source=server.url)
    dataset = CORONAL.id

# %% [markdown]
# ## What it takes
#
# A plan, before anything is fetched. Each chunk is an object in the bucket.

# %%
ds = atldld_xr.open_dataset(dataset, resolution=50)
variables = ["image", "coverage"]
told = ds[variables].atldld.explain()
print(f"{told.requests} requests, {told.output_bytes / 1e6:.1f} MB in {told.blocks} chunks")

# %% [markdown]
# ## Killed
#
# The export runs in a process of its own, as in a batch job. `atldld-xr status` tells how far it is, from anywhere. Once some
# chunks are entered in its ledger, it is killed: by SIGKILL, which no program can prepare for.

# %%
command = [sys.executable, "-m", "atldld_xr", "export", str(dataset), url]
command += ["--resolution", "50", "--variables", ",".join(variables)]
slowly = os.environ | {"ATLDLD_XR_HTTP__CONNECTIONS": "1", "ATLDLD_XR_CACHE__ENABLED": "false"}
job = subprocess.Popen(command, env=slowly, stdout=subprocess.DEVNULL)


def written():
    """Return how many chunks there are, and how many there will be."""
    try:
        found = atldld_xr.status(url)
    except atldld_xr.errors.StoreError:  # it has not begun
        return 0, 1
    return sum(found.written.values()), sum(found.chunks.values())


while written()[0] == 0:
    time.sleep(0.2)
job.send_signal(signal.SIGKILL)
job.wait()

done, total = written()
assert 0 < done < total
print(atldld_xr.status(url).state)

# %% [markdown]
# ## Resumed, on a cluster
#
# The same call goes on: what the ledger has is neither fetched nor written again. It uses the cluster whose client is connected;
# here that is two processes of this machine, on SLURM it would be `dask_jobqueue.SLURMCluster`. A section is one
# task. A second after the work has begun, one of the workers is killed; the other makes what it had in work.

# %%
killed = []


def kill_a_worker():
    """Kill one worker."""
    killed.append(workers.popitem()[1])
    os.kill(killed[0], signal.SIGKILL)


def show(event):
    """Do something with a progress event: here, bring about an accident when the work begins."""
    if event.done == 0:
        threading.Timer(1, kill_a_worker).start()


with (
    LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster,
    Client(cluster) as client,
):
    workers = client.run(os.getpid)
    report = ds.atldld.to_zarr(url, variables=variables, callback=show)

assert len(killed) == 1
assert report.blocks <= total - done
print(atldld_xr.status(url).state, "with", len(report.failures), "failures")

# %% [markdown]
# Once more, it has nothing to do, and asks the service for nothing.

# %%
print(ds.atldld.to_zarr(url, variables=variables).blocks, "chunks")

# %% [markdown]
# ## Is it whole?
#
# `verify` reads all of it, against the checksums that were recorded as each chunk was made. And it is what was opened, pixel
# for pixel.

# %%
checked = atldld_xr.verify(url)
print(checked.chunks, "chunks,", len(checked.problems), "problems")

# %%
again = xr.open_zarr(url, chunks=None)
np.testing.assert_array_equal(again.image, ds.image)
again.atldld.plot.montage(columns=6)

# %% [markdown]
# ## What is refused
#
# A store of another plan is never mixed with this one: the error says what differs.

# %%
try:
    atldld_xr.open_dataset(dataset, resolution=100).atldld.to_zarr(url, variables=variables)
except atldld_xr.errors.StoreError as error:
    print(error)
