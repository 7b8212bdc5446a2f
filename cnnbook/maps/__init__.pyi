from .channels import (
    Channel as Channel,
)
from .channels import (
    TopPatches as TopPatches,
)
from .channels import (
    audit_summary as audit_summary,
)
from .channels import (
    channel_audit as channel_audit,
)
from .channels import (
    top_patches as top_patches,
)
from .layer_maps import (
    feature_maps as feature_maps,
)
from .layer_maps import (
    kernels as kernels,
)
from .layer_maps import (
    silent_channels as silent_channels,
)
from .matching import (
    matching_layer as matching_layer,
)
from .measures import (
    border_likeness as border_likeness,
)
from .measures import (
    channel_likeness as channel_likeness,
)
from .measures import (
    shift_changes as shift_changes,
)
from .measures import (
    strongest as strongest,
)
from .measures import (
    superposition_gap as superposition_gap,
)
from .patterns import (
    Patterns as Patterns,
)
from .patterns import (
    filter_pattern as filter_pattern,
)
from .readouts import (
    Readout as Readout,
)
from .readouts import (
    detail_kept as detail_kept,
)
from .readouts import (
    fit_readouts as fit_readouts,
)
from .readouts import (
    likeness as likeness,
)
from .receptive_fields import (
    ReceptiveField as ReceptiveField,
)
from .receptive_fields import (
    field_on as field_on,
)
from .receptive_fields import (
    receptive_field as receptive_field,
)
from .tracing import (
    EffectiveField as EffectiveField,
)
from .tracing import (
    Step as Step,
)
from .tracing import (
    effective_receptive_field as effective_receptive_field,
)
from .tracing import (
    trace as trace,
)
from .votes import (
    share_inside as share_inside,
)
from .votes import (
    vote_maps as vote_maps,
)
