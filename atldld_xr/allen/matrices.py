"""Products of small matrices that are the same, to the bit, on every machine. Pure, float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def product(left: ArrayLike, right: ArrayLike) -> NDArray[np.float64]:
    """Return the matrix product.

    NumPy's ``@`` leaves it to the BLAS, which rounds by the processor that it finds: with fused
    multiply-add on one, without on another. A store begun on a laptop was not that of the cluster.

    Parameters
    ----------
    left, right : array_like, shape (..., I, J) and (..., J, K)
        Of these, stacks are multiplied matrix by matrix. J is at most 7: more terms than that
        NumPy adds in an order of its own.
    """
    a, b = np.asarray(left, dtype=np.float64), np.asarray(right, dtype=np.float64)
    out: NDArray[np.float64] = np.add.reduce(a[..., :, :, None] * b[..., None, :, :], -2)
    return out
