"""How bytes travel from the test server: late, and as fast as its line lets them."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from atldld_xr.testing import CORONAL, AllenServer, Network, Phantom

SMALL = Phantom(id=900000007, count=3, resolution=16.0)
IMAGE_ID = SMALL.record["section_images"][0]["id"]


@pytest.fixture
def http():
    with requests.Session() as session:
        session.trust_env = False
        yield session


def timed(http, url, **params):
    begun = time.perf_counter()
    answer = http.get(url, params=params)
    assert answer.status_code == 200
    return time.perf_counter() - begun, answer


@pytest.mark.parametrize(("redirect", "answers"), [(True, 2), (False, 1)])
def test_every_answer_waits_for_the_latency_and_a_redirect_is_one(http, redirect, answers):
    with AllenServer([SMALL], redirect=redirect, latency=0.1) as server:
        url = f"{server.url}/section_image_download/{IMAGE_ID}"
        timed(http, url, downsample=2)
        seconds, _ = timed(http, url, downsample=2)
        assert answers * 0.1 <= seconds < answers * 0.1 + 0.08
        seconds, _ = timed(http, f"{server.url}/data/SectionDataSet/{SMALL.id}.json")
        assert 0.1 <= seconds < 0.18


def test_each_connection_carries_so_many_bytes_a_second():
    with AllenServer([CORONAL], redirect=False, bandwidth=2_000_000) as server:
        url = f"{server.url}/section_image_download/{CORONAL.record['section_images'][0]['id']}"

        def fetch(_):
            with requests.Session() as session:
                session.trust_env = False
                return timed(session, url, quality=96)

        fetch(0)  # so that it is drawn
        cpu = time.process_time()
        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(fetch, range(8)))
        cpu = time.process_time() - cpu
    for seconds, answer in taken:
        due = len(answer.content) / 2_000_000
        assert due > 0.2
        assert due * 0.99 <= seconds < due * 1.05 + 0.1
    assert cpu < 0.5 * max(seconds for seconds, _ in taken) + 0.2  # client and server


def test_bytes_are_the_same_over_a_slow_line(http):
    with AllenServer([SMALL]) as fast, AllenServer([SMALL], bandwidth=3_000_000) as slow:
        one, other = (
            http.get(f"{server.url}/section_image_download/{IMAGE_ID}", params={"downsample": 1})
            for server in (fast, slow)
        )
    assert one.content == other.content


def test_a_server_on_a_slow_line_ends_at_once(http):
    server = AllenServer([SMALL], latency=30.0, bandwidth=100).start()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(requests.get, f"{server.url}/section_image_download/{IMAGE_ID}")
        time.sleep(0.3)
        begun = time.perf_counter()
        server.close()
        assert time.perf_counter() - begun < 5
        asked.exception(timeout=10)


@pytest.mark.parametrize("wrong", [{"latency": -1}, {"bandwidth": 0}, {"latency": float("nan")}])
def test_a_line_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is a number"):
        Network(**wrong)


def test_the_command_line_has_them():
    command = [sys.executable, "-m", "atldld_xr.testing", "--latency", "0.2", "--no-redirect"]
    command += ["--bandwidth", "1e9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            with requests.Session() as http:
                http.trust_env = False
                seconds, answer = timed(
                    http,
                    f"{url}/section_image_download/{CORONAL.record['section_images'][0]['id']}",
                    downsample=4,
                )
            assert seconds >= 0.2
            assert not answer.history
        finally:
            process.terminate()
