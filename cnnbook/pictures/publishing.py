"""Which pictures the pages may show.

Photographs that may be trained on, but not shown to the world, are left out where the
environment variable ``CNNBOOK_PUBLISH`` is "1".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnbook.pictures.pets import Pets


def may_show(pets: Pets) -> bool:
    """Tell whether this build may show the pictures.

    Parameters
    ----------
    pets : pictures.Pets

    Returns
    -------
    may_show : bool
        False for photographs that are not publishable, in a build to be published.
    """
    return pets.publishable or os.environ.get("CNNBOOK_PUBLISH") != "1"


def publishing_notice(pets: Pets) -> str:
    """Say what has to be said where the pictures are shown, or would be.

    Parameters
    ----------
    pets : pictures.Pets

    Returns
    -------
    notice : str
        A sentence; nothing for pictures that are publishable.
    """
    if pets.publishable:
        return ""
    if may_show(pets):
        return (
            "Not for republishing: these photographs may be trained on, but not shown "
            "to the world."
        )
    return (
        "These photographs may be trained on, but not shown to the world, so none of "
        "them is on this page."
    )
