"""Open a convolutional neural network and look inside.

Import the module you need; each stands for one idea:

- ``images``: read any picture into an array
- ``data``: labelled pictures of cats and dogs
- ``layers``: the layers of a CNN in NumPy, to read
- ``model``: build, train and score the book's classifier
- ``vgg``: VGG19, with weights whose origin is always stated
- ``activations``: what each layer of a Keras model computes, and from which pixels
- ``channels``: what each channel answers to, over many pictures
- ``patterns``: pictures made to excite a filter
- ``ablation``: copies of a network with a part taken away
- ``readouts``, ``measures``, ``claims``: numbers about maps, and verdicts
- ``figures``: draw what the others computed

Importing ``cnnbook`` alone loads neither Keras nor TensorFlow.
"""

__version__ = "0.1.0"
