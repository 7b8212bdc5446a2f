from .assessment import (
    Assessment as Assessment,
)
from .assessment import (
    assess as assess,
)
from .class_maps import (
    ablation_cam as ablation_cam,
)
from .class_maps import (
    grad_cam as grad_cam,
)
from .class_maps import (
    grad_cam_plus_plus as grad_cam_plus_plus,
)
from .class_maps import (
    hires_cam as hires_cam,
)
from .controls import (
    deletion_curve as deletion_curve,
)
from .controls import (
    insertion_curve as insertion_curve,
)
from .controls import (
    with_random_weights as with_random_weights,
)
from .explanation import (
    Explanation as Explanation,
)
from .gradient_maps import (
    deconvnet as deconvnet,
)
from .gradient_maps import (
    guided_backprop as guided_backprop,
)
from .gradient_maps import (
    integrated_gradients as integrated_gradients,
)
from .gradient_maps import (
    saliency_map as saliency_map,
)
from .gradient_maps import (
    smooth_grad as smooth_grad,
)
from .logits import (
    class_probabilities as class_probabilities,
)
from .methods import (
    METHODS as METHODS,
)
from .methods import (
    explain as explain,
)
from .occlusion import (
    occlusion_map as occlusion_map,
)
from .superpixels import (
    lime as lime,
)
from .truth import (
    density as density,
)
from .truth import (
    pixel_auc as pixel_auc,
)
from .truth import (
    pointing_game as pointing_game,
)
from .truth import (
    shares_inside as shares_inside,
)
from .truth import (
    similarity as similarity,
)
from .truth import (
    telling_parts as telling_parts,
)
