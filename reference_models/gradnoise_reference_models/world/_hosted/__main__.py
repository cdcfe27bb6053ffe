"""``python _hosted FRAMEWORK``: serve its subjects through standard input and output."""

import importlib
import os
import sys
from typing import Any, BinaryIO

#: framework -> the module beside this one that makes its subjects.
MODULES = {
    "chainer": "of_chainer",
    "keras": "of_keras",
    "keras_gradient_noise": "of_keras_gradient_noise",
    "mxnet": "of_mxnet",
    "tensorflow": "of_tensorflow",
    "tensorflow_probability": "of_tensorflow_probability",
}


def serve(framework: str, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the other side is gone. Any error is an answer."""
    pipe: Any = importlib.import_module("pipe")
    module: Any = importlib.import_module(MODULES[framework])
    made: dict[int, Any] = {}
    while True:
        try:
            message, arrays = pipe.receive(requests)
        except EOFError:
            return
        try:
            reply, out = _answer(module, made, message, arrays)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side is told
            reply, out = {"error": f"{type(error).__name__}: {error}"}, []
        pipe.send(replies, reply, out)


def _answer(
    module: Any, made: dict[int, Any], message: dict[str, Any], arrays: list[Any]
) -> tuple[dict[str, Any], list[Any]]:
    do = message["do"]
    if do == "version":
        return {"version": module.version()}, []
    if do == "make":
        number = len(made)
        made[number] = module.make(message["name"], **message["options"])
        return {"number": number}, []
    subject = made[message["number"]]
    if do == "step":
        half = len(arrays) // 2
        return {}, subject(arrays[:half], arrays[half:], message["rate"])
    if do == "noise":
        return {}, subject(arrays, message["t"])
    raise ValueError(do)


if __name__ == "__main__":
    # What a framework prints must not come between the replies.
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    serve(sys.argv[1], sys.stdin.buffer, channel)
