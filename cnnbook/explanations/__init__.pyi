from .assessment import (
    Assessment as Assessment,
    assess as assess,
)
from .class_maps import (
    ablation_cam as ablation_cam,
    grad_cam as grad_cam,
    grad_cam_plus_plus as grad_cam_plus_plus,
    hires_cam as hires_cam,
    xgrad_cam as xgrad_cam,
)
from .controls import (
    deletion_curve as deletion_curve,
    insertion_curve as insertion_curve,
    with_random_weights as with_random_weights,
)
from .explanation import (
    Explanation as Explanation,
)
from .gradient_maps import (
    deconvnet as deconvnet,
    guided_backprop as guided_backprop,
    integrated_gradients as integrated_gradients,
    saliency_map as saliency_map,
    smooth_grad as smooth_grad,
)
from .logits import (
    class_probabilities as class_probabilities,
)
from .methods import (
    METHODS as METHODS,
    Method as Method,
    explain as explain,
    find_method as find_method,
)
from .occlusion import (
    occlusion_map as occlusion_map,
)
from .superpixels import (
    lime as lime,
)
from .truth import (
    attribution_inside as attribution_inside,
    density as density,
    pixel_auc as pixel_auc,
    pointing_game as pointing_game,
    similarity as similarity,
    telling_parts as telling_parts,
)
