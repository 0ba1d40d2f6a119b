"""Files as QuickNII, DeepSlice and VisuAlign write them, of any data set."""

from __future__ import annotations

import json

import numpy as np

from atldld_xr.allen.metadata import parse_dataset
from atldld_xr.allen.poses import SectionPose, allen_pose
from atldld_xr.phantom import phantom
from atldld_xr.registration.anchors import Anchors

DATA = parse_dataset(phantom.CORONAL.record)
SAGITTAL = parse_dataset(phantom.SAGITTAL.record)


def slice_of(image, anchors, **more):
    """Return a slice, with names and sizes as of a picture at tier 3."""
    return {
        "filename": f"{image.data_set_id}/{image.id}_s{image.section_number:03d}.png",
        "nr": image.section_number,
        "width": image.width // 8,
        "height": image.height // 8,
        "anchoring": anchors.numbers,
        **more,
    }


def series_of(data, poses=None, images=None):
    """Return a series of a data set's sections, where Allen has them or as poses say."""
    poses = poses or {image.id: allen_pose(data, image) for image in data.images}
    some = [image for image in (images or data.images) if image.id in poses]
    slices = [slice_of(image, Anchors.from_pose(poses[image.id], image)) for image in some]
    return {
        "name": "",
        "target": "ABA_Mouse_CCFv3_2017_25um.cutlas",
        "target-resolution": [456, 528, 320],
        "slices": slices,
    }


def as_json(series):
    return json.dumps(series).encode()


def as_xml(series, *, bare=False):
    """Return a series as QuickNII's XML; with bare "&" as some have written it."""
    names = ("ox", "oy", "oz", "ux", "uy", "uz", "vx", "vy", "vz")
    lines = []
    for s in series["slices"]:
        pairs = (f"{n}={v!r}" for n, v in zip(names, s["anchoring"], strict=True))
        anchoring = ("&" if bare else "&amp;").join(pairs)
        lines.append(
            f"<slice filename='{s['filename']}' nr='{s['nr']}' width='{s['width']}' "
            f"height='{s['height']}' anchoring='{anchoring}'/>"
        )
    top = "<series name='' target='a.cutlas' target-resolution='456 528 320'>"
    return "\r\n".join(["<?xml version='1.0'?>", top, *lines, "</series>"]).encode()


def moved(pose, *, shift=(0.0, 0.0, 0.0), degrees=0.0, centre=(6600.0, 4000.0, 5700.0)):
    """Return the pose of a section that lies elsewhere: turned in the (p, i) plane, then shifted.

    It is turned about the point of it that is nearest to a centre.
    """
    there = np.array(pose.matrix)
    angle = np.radians(degrees)
    turn = np.eye(3)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    about = np.asarray(centre) - (there[2] @ [*centre, 1]) * there[2, :3]
    # A point q of it is now at turn (q - about) + about + shift.
    linear = there[:, :3] @ turn.T
    moved_to = about + np.asarray(shift)
    return SectionPose.of(np.column_stack([linear, there @ [*about, 1] - linear @ moved_to]))
