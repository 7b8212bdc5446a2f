"""Open a convolutional neural network and look inside.

Import the room you need, ``from cnnbook import maps``; each stands for one idea:

- ``pictures``: any picture as an array, and labelled cats and dogs
- ``layers``: the layers of a CNN in NumPy, to read
- ``networks``: networks to open, copies with a part taken away, files, exports
- ``training``: how a network learns, and how good it is
- ``maps``: what each layer of a Keras model computes, and from which pixels
- ``explanations``: which pixels a class score depends on, and whether that is true
- ``figures``, ``widgets``: draw what the others computed, still and interactive
- ``studies``: what the book measures, records and concludes
- ``commands``: the same from a shell
- ``storage``: what is fetched, built and kept on this machine

Importing ``cnnbook`` alone loads neither Keras nor TensorFlow.
"""

__version__ = "0.1.0"
