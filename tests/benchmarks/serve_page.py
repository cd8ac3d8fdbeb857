"""Measure the page of promise-serve in headless Chromium, with networks that were not trained.

    python -m tests.benchmarks.serve_page clicks [--preset recommended]
    python -m tests.benchmarks.serve_page scans [--number 100]

`clicks` opens a scan of 512 x 512 x 200 voxels and clicks three times. It prints JSON with the seconds until the scan
is shown, and until it is prepared for the first click. For each click, JSON has the milliseconds from the click to the
outline, split into the network with its resampling, the rest of the server, transfer and unpacking, and drawing. It
also has the milliseconds of a scroll by one slice. The last layers of the network outline what is bright, so that the
mask is a ball as a trained network would outline it, and not noise.

`scans` opens scans one after the other, and clicks on each. The server has room for three of them. It prints JSON with
the memory of the server and of the page in MB after every tenth scan.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
import uvicorn
from scipy import ndimage

from promise_cli.console import mute
from promise_cli.serve.app import make_app
from promise_cli.serve.serve_request import ServeRequest
from promise_cli.serve.service import Service
from promise_cli.session.predictor import Predictor
from promise_cli.session.session import Session
from tests.benchmarks.predict import random_checkpoint
from tests.chromium import opened
from tests.standins import teach_bright

LARGE, SMALL = (512, 512, 200), (192, 192, 80)
_CLICK = """
const [point] = arguments;
window.measured = null;
import('/session.js').then(({ state, addClick }) => {
  performance.clearResourceTimings();
  performance.clearMarks();
  state.at = [...point];
  const began = performance.now();
  const before = state.lesions[0].clicks.length;
  addClick([...point], 1);
  const look = () => {
    const request = performance.getEntriesByType("resource").find((one) => one.name.endsWith("/clicks"));
    const drawn = request && performance.getEntriesByName("drawn").find((one) => one.startTime > request.responseEnd);
    if (!drawn || state.lesions[0].clicks.length === before) return setTimeout(look, 20);
    window.measured = { began, sent: request.requestStart, first: request.responseStart, received: request.responseEnd,
      drawn: drawn.startTime, bytes: request.encodedBodySize };
  };
  look();
});
"""
_SCROLL = """
const done = arguments[0];
import('/session.js').then(({ state, drawAll }) => {
  const spent = [];
  const next = () => {
    if (spent.length === 20) return done(spent.sort((a, b) => a - b)[10]);
    performance.clearMarks();
    state.at = state.at.map((n) => n - 1);
    const frame = () => { const began = performance.now(); drawAll(); requestAnimationFrame(() => {
      spent.push(performance.getEntriesByName("drawn")[0].startTime - began); setTimeout(next); }); };
    requestAnimationFrame(frame);
  };
  next();
});
"""
_SHOWN = "return document.getElementById('busy').hidden && document.querySelectorAll('#lesions li').length"


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("clicks", "scans"))
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--number", type=int, default=100)
    options = parser.parse_args()
    mute()  # standard output is only for the JSON
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        Path("imgs").mkdir()
        measured = clicks(options.preset) if options.what == "clicks" else scans(options.number)
    sys.stdout.write(json.dumps({"preset": options.preset, **measured}, indent=2) + "\n")


def clicks(preset: str) -> dict[str, Any]:
    """Return the seconds of opening a large scan, and the milliseconds of three clicks."""
    write_scan(Path("imgs/large.nii"), LARGE, 0)
    seconds: list[float] = []
    prompt = Session.prompt

    def timed(self: Session, given: Any) -> Any:
        began = time.perf_counter()
        found = prompt(self, given)
        seconds.append(time.perf_counter() - began)
        return found

    Session.prompt = timed  # type: ignore[method-assign]
    with served(preset) as (service, address), opened(address, Path("profile")) as driver:
        began = time.perf_counter()
        open_scan(driver, 0)
        shown = time.perf_counter() - began
        while service.worker.waiting:
            time.sleep(0.02)
        prepared = time.perf_counter() - began
        rows = []
        for step in range(3):
            found = click(driver, [256 + 4 * step, 250, 100])
            network = 1000 * seconds[-1]
            server = found["first"] - found["sent"] - network
            rows.append(
                {
                    "total": found["drawn"] - found["began"],
                    "network": network,
                    "rest_of_the_server": server,
                    "transfer": found["sent"] - found["began"] + found["received"] - found["first"],
                    "drawing": found["drawn"] - found["received"],
                    "besides_the_network": found["drawn"] - found["began"] - network,
                    "bytes": found["bytes"],
                }
            )
        scroll = driver.execute_async_script(_SCROLL)
    rounded = [{name: round(value, 1) for name, value in row.items()} for row in rows]
    return {
        "scan_shown_s": round(shown, 2),
        "prepared_s": round(prepared, 2),
        "clicks_ms": rounded,
        "scroll_ms": round(scroll, 1),
    }


def scans(number: int) -> dict[str, Any]:
    """Open scans one after the other, and return the memory after every tenth."""
    for one in range(8):
        write_scan(Path(f"imgs/scan_{one:03d}.nii"), SMALL, one)
    for one in range(8, number):
        Path(f"imgs/scan_{one:03d}.nii").symlink_to(f"scan_{one % 8:03d}.nii")
    rows = []
    with served("tiny") as (service, address), opened(address, Path("profile")) as driver:
        driver.set_script_timeout(60)
        service.scans.most_bytes = 0
        for one in range(number):
            open_scan(driver, one)
            if one == 0:
                service.scans.most_bytes = 3 * service.scans.open("scan_000").bytes + 1
            click(driver, [96, 90, 40])
            if one % 10 == 9:
                heap = driver.execute_script("return performance.memory.usedJSHeapSize") / 1e6
                rows.append(
                    {
                        "scans": one + 1,
                        "server_mb": resident_mb(psutil.Process()),
                        "page_mb": page_mb(),
                        "page_heap_mb": round(heap),
                        "open": len(service.scans.open_names),
                        "sessions": len(service.sessions),
                    }
                )
    return {"memory": rows}


@contextmanager
def served(preset: str) -> Iterator[tuple[Service, str]]:
    """Serve the folder `imgs` with a network of random weights in a thread, and yield the server and its address."""
    checkpoint = random_checkpoint(Path(), preset)
    teach_bright(checkpoint)
    predictor = Predictor.load(checkpoint, "cpu")
    service = Service(ServeRequest(images=Path("imgs"), device="cpu"), predictor)
    server = uvicorn.Server(
        uvicorn.Config(make_app(service), http="h11", ws="none", lifespan="off", log_level="error")
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield service, f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=10)


def open_scan(driver: Any, number: int) -> None:
    """Open a scan in the page, and wait until it is shown."""
    while not driver.execute_script(f"return document.querySelectorAll('#scans li')[{number}]"):
        time.sleep(0.05)
    driver.execute_script(f"document.querySelectorAll('#scans li')[{number}].click()")
    while not driver.execute_script(_SHOWN):
        time.sleep(0.02)


def click(driver: Any, point: list[int]) -> dict[str, float]:
    """Click on a voxel, and return the times of the page's clock in milliseconds when the outline is drawn."""
    driver.execute_script(_CLICK, point)
    while not (found := driver.execute_script("return window.measured")):
        time.sleep(0.05)
    return found


def write_scan(path: Path, shape: tuple[int, int, int], seed: int) -> None:
    """Write a scan of noise at CT intensities, with a ball of soft tissue in its middle."""
    rng = np.random.default_rng(seed)
    array = rng.normal(-200, 15, shape).astype(np.int16)
    middle = tuple(slice(n // 2 - 15, n // 2 + 15) for n in shape)
    ball = ndimage.distance_transform_edt(np.pad(np.ones((28, 28, 28)), 1)) > 4
    array[middle] += (300 * ball).astype(np.int16)
    nib.save(nib.Nifti1Image(array, np.diag([0.8, 0.8, 1.5, 1])), path)


def resident_mb(process: psutil.Process) -> int:
    """Return the resident memory of a process in MB."""
    return process.memory_info().rss // 1_000_000


def page_mb() -> int:
    """Return the resident memory of the largest process of Chromium that shows a page, in MB."""
    children = psutil.Process().children(recursive=True)
    pages = [one for one in children if "--type=renderer" in " ".join(one.cmdline())]
    return max((resident_mb(one) for one in pages), default=0)


if __name__ == "__main__":
    main()
