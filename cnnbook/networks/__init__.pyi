from .ablation import (
    knock_out as knock_out,
)
from .ablation import (
    outputs_without_each_channel as outputs_without_each_channel,
)
from .ablation import (
    with_average_pools as with_average_pools,
)
from .ablation import (
    with_shuffled_weights as with_shuffled_weights,
)
from .ablation import (
    with_subsampling as with_subsampling,
)
from .ablation import (
    without_activations as without_activations,
)
from .classifier import (
    build_classifier as build_classifier,
)
from .classifier import (
    fold_batch_normalization as fold_batch_normalization,
)
from .classifier import (
    training_form as training_form,
)
from .export import (
    export_network as export_network,
)
from .export import (
    network_object as network_object,
)
from .files import (
    SHIPPED as SHIPPED,
)
from .files import (
    find_network as find_network,
)
from .files import (
    image_size as image_size,
)
from .files import (
    keras_file as keras_file,
)
from .files import (
    load_classifier as load_classifier,
)
from .files import (
    load_network as load_network,
)
from .files import (
    save_classifier as save_classifier,
)
from .graph import (
    Connections as Connections,
)
from .graph import (
    connections as connections,
)
from .graph import (
    fitting_images as fitting_images,
)
from .graph import (
    follow as follow,
)
from .graph import (
    layer_calls as layer_calls,
)
from .graph import (
    layer_table as layer_table,
)
from .graph import (
    one_image_input as one_image_input,
)
from .graph import (
    run as run,
)
from .heads import (
    Head as Head,
)
from .heads import (
    head as head,
)
from .imagenet import (
    before_imagenet as before_imagenet,
)
from .imagenet import (
    imagenet_classes as imagenet_classes,
)
from .imagenet import (
    top_classes as top_classes,
)
from .vgg import (
    load_vgg19 as load_vgg19,
)
from .vgg_weights import (
    WEIGHTS_VARIABLE as WEIGHTS_VARIABLE,
)
from .vgg_weights import (
    Provenance as Provenance,
)
from .vgg_weights import (
    find_vgg19_weights as find_vgg19_weights,
)
from .vgg_weights import (
    stand_in_file as stand_in_file,
)
