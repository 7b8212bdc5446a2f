from .ablation import (
    knock_out as knock_out,
    outputs_without_each_channel as outputs_without_each_channel,
    with_average_pools as with_average_pools,
    with_shuffled_weights as with_shuffled_weights,
    with_subsampling as with_subsampling,
    without_activations as without_activations,
)
from .classifier import (
    build_classifier as build_classifier,
    fold_batch_normalization as fold_batch_normalization,
    training_form as training_form,
)
from .export import (
    export_network as export_network,
    network_object as network_object,
)
from .files import (
    SHIPPED as SHIPPED,
    find_network as find_network,
    image_size as image_size,
    keras_file as keras_file,
    load_classifier as load_classifier,
    load_network as load_network,
    save_classifier as save_classifier,
)
from .graph import (
    Connections as Connections,
    connections as connections,
    follow as follow,
    layer_calls as layer_calls,
    layer_table as layer_table,
    run as run,
)
from .heads import (
    Head as Head,
    head as head,
    with_answers as with_answers,
)
from .imagenet import (
    before_imagenet as before_imagenet,
    imagenet_classes as imagenet_classes,
    top_classes as top_classes,
)
from .inputs import (
    fitting_images as fitting_images,
    one_image_input as one_image_input,
)
from .ranges import (
    OTHERWISE as OTHERWISE,
    PictureRange as PictureRange,
    picture_range as picture_range,
    scaled_for as scaled_for,
)
from .traits import (
    TRAITS as TRAITS,
    Traits as Traits,
    traits_of as traits_of,
)
from .vgg import (
    load_vgg19 as load_vgg19,
)
from .vgg_weights import (
    WEIGHTS_VARIABLE as WEIGHTS_VARIABLE,
    Provenance as Provenance,
    find_vgg19_weights as find_vgg19_weights,
    stand_in_file as stand_in_file,
)
