"""Mistakes in Adam."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradnoise_core.oracle._formulas import Formula, Memory, adam, adam_step, decayed, moments
from gradnoise_core.oracle._wrong._registry import Mistake, formula, in_float32, keyword

__all__ = ["ADAM", "with_moments"]

_K = Mapping[str, Any]
_DECAY = {"weight_decay": 0.01}


def with_moments(rest: Callable[[Any, Any, int, _K, Memory], Any]) -> Formula:
    """Return a formula of Adam whose step is ``rest(m, v, n, k, s)``."""

    def wrong(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
        m, v = moments(decayed(p, g, k), k, s)
        return p - h * rest(m, v, n, k, s)

    return wrong


def _corrections(both: Callable[[int, _K], tuple[Any, Any]]) -> Formula:
    def rest(m: Any, v: Any, n: int, k: _K, s: Memory) -> Any:
        c1, c2 = both(n, k)
        return (m / c1) / (np.sqrt(v / c2) + k["eps"])

    return with_moments(rest)


def _c1(k: _K, n: int) -> Any:
    return 1 - k["b1"] ** n


def _c2(k: _K, n: int) -> Any:
    return 1 - k["b2"] ** n


def _in_float32(n: int, k: _K) -> tuple[Any, Any]:
    b1, b2, one = np.float32(k["b1"]), np.float32(k["b2"]), np.float32(1)
    return np.float64(one - b1 ** np.float32(n)), np.float64(one - b2 ** np.float32(n))


def _constants_in_float32(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    """TensorFlow 1 keeps the powers as variables, and multiplies them at each step."""
    k = in_float32(k)
    for b in ("b1", "b2"):
        s[f"{b} to the n"] = np.float32(k[b]) * s.get(f"{b} to the n", np.float32(1))
    powers = float(s["b1 to the n"]), float(s["b2 to the n"])
    return p - h * adam_step(decayed(p, g, k), n, k, s, powers)


def _rate_with_uncorrected_eps(m: Any, v: Any, n: int, k: _K, s: Memory) -> Any:
    return np.sqrt(_c2(k, n)) / _c1(k, n) * m / (np.sqrt(v) + k["eps"])


def _eps_inside(m: Any, v: Any, n: int, k: _K, s: Memory) -> Any:
    return (m / _c1(k, n)) / np.sqrt(v / _c2(k, n) + k["eps"])


def _eps_inside_before(m: Any, v: Any, n: int, k: _K, s: Memory) -> Any:
    return (m / _c1(k, n)) / np.sqrt((v + k["eps"]) / _c2(k, n))


def _no_root(m: Any, v: Any, n: int, k: _K, s: Memory) -> Any:
    return (m / _c1(k, n)) / (v / _c2(k, n) + k["eps"])


def _nesterov(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    m, v = moments(decayed(p, g, k), k, s)
    ahead = k["b1"] * m / _c1(k, n + 1) + (1 - k["b1"]) * g / _c1(k, n)
    return p - h * ahead / (np.sqrt(v / _c2(k, n)) + k["eps"])


def _absolute(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    g = decayed(p, g, k)
    s["m"] = k["b1"] * s.get("m", 0.0) + (1 - k["b1"]) * g
    s["v"] = k["b2"] * s.get("v", 0.0) + (1 - k["b2"]) * np.abs(g)
    return p - h * (s["m"] / _c1(k, n)) / (np.sqrt(s["v"] / _c2(k, n)) + k["eps"])


def _of_the_mean(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    g = decayed(p, g, k)
    s["m"] = k["b1"] * s.get("m", 0.0) + (1 - k["b1"]) * g
    s["v"] = k["b2"] * s.get("v", 0.0) + (1 - k["b2"]) * s["m"] ** 2
    return p - h * (s["m"] / _c1(k, n)) / (np.sqrt(s["v"] / _c2(k, n)) + k["eps"])


def _centred(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    g = decayed(p, g, k)
    s["m"] = k["b1"] * s.get("m", 0.0) + (1 - k["b1"]) * g
    s["v"] = k["b2"] * s.get("v", 0.0) + (1 - k["b2"]) * (g - s["m"]) ** 2
    return p - h * (s["m"] / _c1(k, n)) / (np.sqrt(s["v"] / _c2(k, n)) + k["eps"])


def _one_late(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    before = s.get("v", 0.0) if n > 1 else g * g * (1 - k["b2"])
    m, _ = moments(decayed(p, g, k), k, s)
    return p - h * (m / _c1(k, n)) / (np.sqrt(before / _c2(k, max(n - 1, 1))) + k["eps"])


def _lazy(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    old = dict(s)
    new = adam(p, g, h, n, k, s)
    still = g == 0
    for letter, value in s.items():
        s[letter] = np.where(still, old.get(letter, 0.0), value)
    return np.where(still, p, new)


def _corrected_in_place(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    m, v = moments(decayed(p, g, k), k, s)
    s["m"], s["v"] = m / _c1(k, n), v / _c2(k, n)
    return p - h * s["m"] / (np.sqrt(s["v"]) + k["eps"])


def _decay_in_first_moment_only(p: Any, g: Any, h: Any, n: int, k: _K, s: Memory) -> Any:
    s["m"] = k["b1"] * s.get("m", 0.0) + (1 - k["b1"]) * decayed(p, g, k)
    s["v"] = k["b2"] * s.get("v", 0.0) + (1 - k["b2"]) * (g * g)
    return p - h * (s["m"] / _c1(k, n)) / (np.sqrt(s["v"] / _c2(k, n)) + k["eps"])


ADAM: tuple[Mistake, ...] = (
    Mistake(
        name="adam-eps-before-correction",
        optimizer="adam",
        dialect="torch",
        make=keyword(eps_hat=True),
        wrong="eps is added to the root before its bias is corrected (eps-hat)",
        source="optax#571; TF 1, Keras and Chainer do so",
        diagnosis="`eps_hat` is True",
    ),
    Mistake(
        name="adam-eps-after-correction",
        optimizer="adam",
        dialect="keras",
        make=keyword(eps_hat=False),
        wrong="eps is added to the corrected root, which is the paper's algorithm 1",
        source="mlcommons/training_policies#266; torch and optax do so",
        diagnosis="`eps_hat` is False",
    ),
    Mistake(
        name="adam-eps-inside-root",
        optimizer="adam",
        make=formula(with_moments(_eps_inside)),
        wrong="eps stands inside the root, beside v / c2",
        source="optax's eps_root; test passed by Keras's golden arrays",
    ),
    Mistake(
        name="adam-eps-inside-root-before-correction",
        optimizer="adam",
        make=formula(with_moments(_eps_inside_before)),
        wrong="eps stands inside the root, beside v, before its bias is corrected",
        source="likely slip",
    ),
    Mistake(
        name="adam-eps-tenfold",
        optimizer="adam",
        make=keyword(eps=lambda eps: 10 * eps),
        wrong="eps is ten times what is claimed",
        source="Keras 3's default where torch's is claimed",
        diagnosis="`eps` is 1e-07, as in keras, not 1e-08",
    ),
    Mistake(
        name="adam-no-eps",
        optimizer="adam",
        make=keyword(eps=0.0),
        wrong="eps is left out",
        source="likely slip",
        diagnosis="`eps` is 0, not 1e-08",
    ),
    Mistake(
        name="adam-no-bias-correction",
        optimizer="adam",
        dialect="optax",
        make=keyword(bias_correction=False),
        wrong="neither bias is corrected",
        source="MLX's default",
        diagnosis="`bias_correction` is False, as in mlx",
    ),
    Mistake(
        name="adam-only-first-corrected",
        optimizer="adam",
        make=formula(_corrections(lambda n, k: (_c1(k, n), 1.0))),
        wrong="the bias of the second moment is not corrected",
        source="optax's bias_correction_nu switched off alone; likely slip",
    ),
    Mistake(
        name="adam-only-second-corrected",
        optimizer="adam",
        make=formula(_corrections(lambda n, k: (1.0, _c2(k, n)))),
        wrong="the bias of the first moment is not corrected",
        source="likely slip",
    ),
    Mistake(
        name="adam-corrected-by-one-decay",
        optimizer="adam",
        make=formula(_corrections(lambda n, k: (_c1(k, n), _c1(k, n)))),
        wrong="both biases are corrected with b1",
        source="likely slip",
    ),
    Mistake(
        name="adam-count-from-zero",
        optimizer="adam",
        make=formula(_corrections(lambda n, k: (_c1(k, n - 1), _c2(k, n - 1)))),
        wrong="the biases are corrected by a count from 0, so that the first step divides by 0",
        source="likely slip: optax counts up before it corrects",
    ),
    Mistake(
        name="adam-count-from-two",
        optimizer="adam",
        make=formula(_corrections(lambda n, k: (_c1(k, n + 1), _c2(k, n + 1)))),
        wrong="the biases are corrected by a count from 2",
        source="likely slip: the count goes up twice",
    ),
    Mistake(
        name="adam-correction-in-float32",
        optimizer="adam",
        make=formula(_corrections(_in_float32)),
        wrong="the bias corrections are computed in float32",
        source="MLX 0.32, TorchOpt 0.7",
    ),
    Mistake(
        name="adam-constants-in-float32",
        optimizer="adam",
        dialect="tf1",
        make=formula(_constants_in_float32),
        wrong="b1, b2, eps and the powers of b1 and b2 are float32 beside float64 parameters",
        source="tf.compat.v1.train.AdamOptimizer, TensorFlow 2.21",
    ),
    Mistake(
        name="adam-root-of-correction-forgotten",
        optimizer="adam",
        make=formula(
            with_moments(lambda m, v, n, k, s: _c2(k, n) / _c1(k, n) * m / (np.sqrt(v) + k["eps"]))
        ),
        wrong="the rate is multiplied by c2 / c1, not by sqrt(c2) / c1",
        source="likely slip",
    ),
    Mistake(
        name="adam-betas-swapped",
        optimizer="adam",
        make=keyword(b1=lambda b: 0.999, b2=lambda b: 0.9),
        wrong="b1 and b2 are swapped",
        source="likely slip",
    ),
    Mistake(
        name="adam-beta-complemented",
        optimizer="adam",
        make=keyword(b1=lambda b: 1 - b),
        wrong="b1 weighs the new gradient, not the old mean",
        source="likely slip; Chainer's and some papers' alpha is 1 - b1",
        diagnosis="`b1` is 0.1, not 0.9",
    ),
    Mistake(
        name="adam-absolute-for-square",
        optimizer="adam",
        make=formula(_absolute),
        wrong="the second moment is a mean of |g|, not of its square",
        source="likely slip",
    ),
    Mistake(
        name="adam-square-of-mean",
        optimizer="adam",
        make=formula(_of_the_mean),
        wrong="the second moment is of the mean m, not of the gradient",
        source="likely slip: m is squared after g was overwritten by it",
    ),
    Mistake(
        name="adam-centred-square",
        optimizer="adam",
        make=formula(_centred),
        wrong="the second moment is of g - m (AdaBelief)",
        source="AdaBelief (Zhuang et al., 2020) under Adam's name",
    ),
    Mistake(
        name="adam-no-root",
        optimizer="adam",
        make=formula(with_moments(_no_root)),
        wrong="the root of the second moment is forgotten",
        source="likely slip",
    ),
    Mistake(
        name="adam-old-second-moment",
        optimizer="adam",
        make=formula(_one_late),
        wrong="the second moment lags a step behind",
        source="ACProp and ADOPT divide so; likely slip",
    ),
    Mistake(
        name="adam-nesterov",
        optimizer="adam",
        make=formula(_nesterov),
        wrong="the first moment looks ahead (NAdam)",
        source="optax.adam(nesterov=True)",
    ),
    Mistake(
        name="adam-lazy",
        optimizer="adam",
        make=formula(_lazy),
        wrong="an element whose gradient is 0 is skipped (lazy Adam)",
        source="torch.optim.SparseAdam, TF Addons LazyAdam",
    ),
    Mistake(
        name="adam-corrected-in-place",
        optimizer="adam",
        make=formula(_corrected_in_place),
        wrong="the corrected moments are stored in place of the running ones",
        source="likely slip of in-place code",
    ),
    Mistake(
        name="adam-decay-in-first-moment-only",
        optimizer="adam",
        # With a small eps the parameters run away where the gradient is 0.
        hyperparameters={**_DECAY, "eps": 0.1},
        make=formula(_decay_in_first_moment_only),
        wrong="the weight decay is added to the gradient of the first moment only",
        source="likely slip",
    ),
    Mistake(
        name="adam-decay-decoupled",
        optimizer="adam",
        dialect="torch",
        hyperparameters=_DECAY,
        make=keyword(decoupled_weight_decay=True),
        wrong="the weight decay is decoupled, where it is claimed to be added to the gradient",
        source="keras#19051; Keras decouples it in every optimizer",
        diagnosis="`decoupled_weight_decay` is True, as in keras",
    ),
    Mistake(
        name="amsgrad-maximum-of-corrected",
        optimizer="adam",
        dialect="torch",
        hyperparameters={"amsgrad": True},
        make=keyword(amsgrad_corrected=True),
        wrong="the maximum is of the corrected second moment",
        source="optax#1389",
        diagnosis="`amsgrad_corrected` is True, as in optax",
    ),
    Mistake(
        name="amsgrad-maximum-of-raw",
        optimizer="adam",
        dialect="optax",
        hyperparameters={"amsgrad": True},
        make=keyword(amsgrad_corrected=False),
        wrong="the maximum is of the uncorrected second moment",
        source="torch and Keras where optax is claimed",
        diagnosis="`amsgrad_corrected` is False",
    ),
    Mistake(
        name="amsgrad-ignored",
        optimizer="adam",
        hyperparameters={"amsgrad": True},
        make=keyword(amsgrad=False),
        wrong="amsgrad is taken and ignored",
        source="likely slip; passes Keras's golden arrays",
        diagnosis="`amsgrad` is False",
    ),
)
