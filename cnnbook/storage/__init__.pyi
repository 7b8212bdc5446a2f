from .archives import (
    unpack as unpack,
)
from .build_folder import (
    find_build_folder as find_build_folder,
    found_once as found_once,
    key_of as key_of,
    made_once as made_once,
    versions as versions,
)
from .downloads import (
    REGISTRY as REGISTRY,
    Download as Download,
    cache_folder as cache_folder,
    destination as destination,
    fetch as fetch,
    in_units as in_units,
    location as location,
)
from .repository import (
    AnyPath as AnyPath,
    find_repository as find_repository,
    from_repository as from_repository,
)
from .source_code import (
    digest_of_code as digest_of_code,
    digest_of_syntax as digest_of_syntax,
    modules_behind as modules_behind,
    part_for as part_for,
)
from .whole_files import (
    whole_file as whole_file,
    whole_folder as whole_folder,
)
