"""A plugin under which the plain CNN trains well and takes its process with it when it predicts."""

import os
import signal

from zoo.encoders.cnn import CNN

_forward = CNN.forward


def _crash(self, images):
    if not self.training:
        os.kill(os.getpid(), signal.SIGSEGV)
    return _forward(self, images)


CNN.forward = _crash
