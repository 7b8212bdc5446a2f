"""Try every function on every network, and write what the page says of them."""

import os
import sys
import tempfile

from cnnbook import studies, tensorflow_start


def main():
    tensorflow_start.prepare()
    from tests.conformance import cells
    from tests.conformance.networks import NETWORKS

    unlike, networks = 0, []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CNNBOOK_BUILD"] = folder
        for name in NETWORKS:
            _, off = cells.row(name)
            networks.append(cells.written(name))
            known = cells.known(name)
            for function, words in off.items():
                if function not in known:
                    unlike += 1
                    print(f"a model {name}: {function} {words}")
            for function in known.keys() - off.keys():
                unlike += 1
                print(f"a model {name}: {function} is as expected now")
    file = studies.write_record(
        "which-models", {"made_by": "python -m tests.conformance", "networks": networks}
    )
    print(f"{file}: {len(networks)} networks, {unlike} cells unlike the table")
    return unlike > 0


if __name__ == "__main__":
    sys.exit(main())
