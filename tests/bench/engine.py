"""The network in the page: how long a pass takes, and how large the files are."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from cnnbook import networks
from cnnbook.widgets import markup, registry
from tests.bench.measuring import Row
from tests.browser.serving import LAUNCH_OPTIONS, find_browser

# The first pass, before the browser has compiled anything, and the median of more.
PASSES = """
() => {
  const network = cnnbook.network("classifier");
  const image = Float32Array.from({length: 96 * 96 * 3}, Math.random);
  const seconds = Array.from({length: 21}, () => {
    const start = performance.now();
    network.run(image);
    return (performance.now() - start) / 1000;
  });
  return [seconds[0], seconds.slice(1).sort((a, b) => a - b)[10]];
}
"""


def measure():
    served = (markup.served(path).encode() for path in registry.STATIC.glob("*.js"))
    scripts = sum(map(len, served)) / 1000
    rows = [Row("scripts of the pages", scripts, 60, "kB")]
    network = networks.load_classifier()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "classifier.js"
        for dtype in ("float16", "float32"):
            networks.export_network(network, path, dtype=dtype)
            size = path.stat().st_size / 1000
            rows.append(Row(f"classifier for a page, {dtype}", size, 500, "kB"))
        return rows + speed(path)


def speed(path):
    """Time the classifier in a fresh page."""
    executable = find_browser()
    if executable is None:
        print("  no Chromium: the network was not timed", file=sys.stderr)
        return []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=LAUNCH_OPTIONS
        )
        page = browser.new_page()
        page.add_script_tag(path=registry.STATIC / "cnn.js")
        page.add_script_tag(path=path)
        first, usual = page.evaluate(PASSES)
        browser.close()
    note = f"the first {first * 1000:.0f} ms"
    return [Row("classifier in a page, one pass", usual * 1000, 100, "ms", note=note)]
