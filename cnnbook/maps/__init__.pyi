from .channels import (
    Channel as Channel,
    TopPatches as TopPatches,
    audit_summary as audit_summary,
    channel_audit as channel_audit,
    top_patches as top_patches,
)
from .layer_maps import (
    feature_maps as feature_maps,
    kernels as kernels,
    silent_channels as silent_channels,
)
from .matching import (
    matching_layer as matching_layer,
)
from .measures import (
    border_likeness as border_likeness,
    channel_likeness as channel_likeness,
    shift_changes as shift_changes,
    strongest as strongest,
    superposition_gap as superposition_gap,
)
from .patterns import (
    Patterns as Patterns,
    filter_pattern as filter_pattern,
)
from .readouts import (
    Readout as Readout,
    detail_kept as detail_kept,
    fit_readouts as fit_readouts,
    likeness as likeness,
)
from .receptive_fields import (
    ReceptiveField as ReceptiveField,
    field_on as field_on,
    receptive_field as receptive_field,
)
from .tracing import (
    EffectiveField as EffectiveField,
    Step as Step,
    effective_receptive_field as effective_receptive_field,
    trace as trace,
)
from .votes import (
    vote_maps as vote_maps,
)
