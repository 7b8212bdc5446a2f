from .archives import (
    unpack as unpack,
)
from .build_folder import (
    all_or_nothing as all_or_nothing,
)
from .build_folder import (
    find_build_folder as find_build_folder,
)
from .build_folder import (
    found_once as found_once,
)
from .build_folder import (
    key_of as key_of,
)
from .build_folder import (
    made_once as made_once,
)
from .build_folder import (
    versions as versions,
)
from .downloads import (
    REGISTRY as REGISTRY,
)
from .downloads import (
    Download as Download,
)
from .downloads import (
    cache_folder as cache_folder,
)
from .downloads import (
    destination as destination,
)
from .downloads import (
    fetch as fetch,
)
from .downloads import (
    in_units as in_units,
)
from .downloads import (
    location as location,
)
from .repository import (
    find_repository as find_repository,
)
from .repository import (
    from_repository as from_repository,
)
from .source_code import (
    digest_of_code as digest_of_code,
)
from .source_code import (
    modules_behind as modules_behind,
)
