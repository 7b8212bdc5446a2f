"""Files on this machine: what is fetched, built and kept, and when it is still good."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
