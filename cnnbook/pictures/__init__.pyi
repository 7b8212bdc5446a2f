from .drawing.faces import (
    PARTS as PARTS,
)
from .drawing.pets import (
    CHEAT_TAGS as CHEAT_TAGS,
)
from .drawing.pets import (
    DrawnPets as DrawnPets,
)
from .drawing.pets import (
    draw_pets as draw_pets,
)
from .images import (
    INTENSITIES as INTENSITIES,
)
from .images import (
    load_image as load_image,
)
from .images import (
    model_cat as model_cat,
)
from .images import (
    model_cat_parts as model_cat_parts,
)
from .images import (
    photo_crops as photo_crops,
)
from .pets import (
    Pets as Pets,
)
from .pets import (
    Split as Split,
)
from .pets import (
    find_source as find_source,
)
from .pets import (
    fingerprint as fingerprint,
)
from .pets import (
    load_pets as load_pets,
)
from .publishing import (
    may_show as may_show,
)
from .publishing import (
    publishing_notice as publishing_notice,
)
