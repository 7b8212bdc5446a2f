"""Fixtures that several test modules share."""

import os

import numpy as np
import pytest

# TensorFlow greets on stderr; only errors are news.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as the book and the commands do


@pytest.fixture
def rng():
    """A fresh generator with the same seed for every test."""
    return np.random.default_rng(0)
