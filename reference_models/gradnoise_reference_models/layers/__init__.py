"""Layers, one a module: pure functions ``init``, ``forward`` and ``backward`` next to each other.

``init(...) -> params``, ``forward(params, x) -> (y, residuals)`` and ``backward(params, residuals,
dy) -> (dparams, dx)``, where dy is the gradient of the loss with respect to y. A layer without
parameters has ``params = {}``. A loss has no parameters and no dy: ``forward(logits, labels) ->
(loss, residuals)`` and ``backward(residuals) -> dlogits``. Every gradient is derived by hand.

Axes: R replicas (absent in a solo run), B examples of a batch, then features. Leading axes
broadcast, so an ensemble of R restarts is one array program. Every function traces: it branches on
no array's value and writes to no array. A caller that has the namespace at hand passes it as `xp`.
"""
