from . import (
    cheating as cheating,
)
from . import (
    claims as claims,
)
from . import (
    depth as depth,
)
from . import (
    held_out as held_out,
)
from . import (
    ingredients as ingredients,
)
from . import (
    seeds as seeds,
)
from . import (
    transfer_trials as transfer_trials,
)
from . import (
    trust as trust,
)
from .claims import (
    Finding as Finding,
)
from .records import (
    read_record as read_record,
)
from .records import (
    write_record as write_record,
)
