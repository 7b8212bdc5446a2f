from . import (
    cheating as cheating,
    claims as claims,
    depth as depth,
    held_out as held_out,
    ingredients as ingredients,
    overfitting as overfitting,
    seeds as seeds,
    transfer_trials as transfer_trials,
    trust as trust,
)
from .claims import (
    Finding as Finding,
)
from .records import (
    read_record as read_record,
    record_file as record_file,
    write_record as write_record,
)
