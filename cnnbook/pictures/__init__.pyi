from .drawing.faces import (
    PARTS as PARTS,
)
from .drawing.pets import (
    CHEAT_TAGS as CHEAT_TAGS,
    DrawnPets as DrawnPets,
    draw_pets as draw_pets,
)
from .fitting import (
    Fit as Fit,
)
from .images import (
    INTENSITIES as INTENSITIES,
    as_grey as as_grey,
    load_image as load_image,
    model_cat as model_cat,
    model_cat_parts as model_cat_parts,
    photo_crops as photo_crops,
)
from .parts import (
    share_inside as share_inside,
)
from .pets import (
    Pets as Pets,
    Split as Split,
    find_source as find_source,
    fingerprint as fingerprint,
    load_pets as load_pets,
)
from .publishing import (
    may_show as may_show,
    publishing_notice as publishing_notice,
)
from .sources import (
    DOWNLOADS as DOWNLOADS,
    SOURCES as SOURCES,
    Source as Source,
)
