"""Two GPUs: results lie on the GPU of the arguments, whichever one is CuPy's current one."""

import pytest

from tests.cupy_on_cpu import IN_FRONT
from tests.helpers.devices import device_asked_for
from tests.helpers.processes import in_a_new_process

START = """
import warnings, cupy, numpy as np, chainrule as cr
from chainrule import logistic
from chainrule.optim import adam, clipped, descend, lbfgs
warnings.filterwarnings("ignore", message=".*max_iter")
rng, place = np.random.default_rng(0), cr.get_device("cuda:1")
X, y = place.asarray(rng.standard_normal((20, 3))), place.asarray(rng.random(20) < 0.5)
w, labels = place.asarray(rng.standard_normal(3)), place.asarray(rng.integers(0, 2, 20))
net = cr.MLP((3, 4, 2), "tanh", output="softmax", penalty=cr.ElasticNet(0.1))
params = net.init(0, "cuda:1", "float64")
leaves = lambda tree: [x for layer in tree for x in (leaves(layer) if isinstance(layer, (list, tuple)) else [layer])]
def there(*tree):
    assert {x.device.id for x in leaves(tree)} == {1}, [x.device.id for x in leaves(tree)]
def try_(name, case):
    try:
        exec(case, globals())
    except (AssertionError, cupy._util.PerformanceWarning) as error:
        print(name, error)
"""
CASES = {
    "gradient": "there(cr.value_and_grad(lambda W: np.sum(np.tanh(X @ W) ** 2))(place.asarray(np.ones((3, 2)))))",
    "vjp": "out, back = cr.vjp(lambda w: np.exp(X @ w) * 2.0, w); there(out, back(out))",
    "jvp": "there(cr.jvp(lambda w: np.exp(X @ w) * 2.0, (w,), (w,)))",
    "jacobian": "there(cr.jacobian(lambda w: np.exp(X @ w) * 2.0)(w))",
    "hvp": "there(cr.hvp(lambda w: np.sum(np.exp(X @ w) * 2.0), w, w))",
    "variable": "v = cr.variable(w)\nwith cr.use_device('cuda:1'): out = np.sum(np.exp(X @ v) * 2.0)\n"
    "cr.backward(out); there(out.value, out.grad, v.grad)",
    "logistic": "there([f(X, y, w, 0.1) for f in logistic.SPELLINGS.values()])",
    "network": "there(net.forward(params, X), net.cost_of(params, X, labels), net.input_gradient(params, X, labels),"
    " net.cost_and_gradients(params, X, labels))",
    "update": "rule = clipped(adam(), 1.0); _, g = net.cost_and_gradients(params, X, labels);"
    " new, state = rule.update(g, rule.init(params), params); there(new, state['mean'])",
    "descent": "there(descend(lambda p: net.cost_and_gradients(p, X, labels), params, steps=3,"
    " learning_rate=0.1).params)",
    "lbfgs": "there(lbfgs(lambda p: net.cost_and_gradients(p, X, labels), params, steps=3).params)",
    "estimator": "m = cr.MLPClassifier((4,), max_iter=5).fit(X, labels); there(m.predict_proba(X), m.coefs_)",
    "estimator of NumPy's rows": "m = cr.LogisticRegression(device='cuda:1').fit(cr.get_device('cpu').asarray(X),"
    " cr.get_device('cpu').asarray(y)); m.predict_proba(cr.get_device('cpu').asarray(X))",
    "estimator with an l1 penalty": "cr.LogisticRegression(device='cuda:1', penalty='l1').fit("
    "cr.get_device('cpu').asarray(X), cr.get_device('cpu').asarray(y))",
    "new arrays": "xp, at = place.xp, X.device; there([f(X) for f in (xp.zeros_like, xp.ones_like, xp.empty_like)],"
    " [f(3, device=at) for f in (xp.zeros, xp.ones, xp.empty, xp.eye, xp.arange)], xp.full(3, 1.0, device=at),"
    " xp.full_like(X, 1.0), xp.linspace(0, 1, 3, device=at), xp.asarray([1.0], device=at))",
    "use_device": "with cr.use_device('cuda:1') as d: there(d.asarray([1.0]) * 2.0)\n"
    "assert (cr.get_device('cuda').asarray([1.0]) * 2.0).device.id == 0",
}


def test_results_lie_where_the_arguments_lie():
    device_asked_for("cuda")
    if not IN_FRONT:
        import cupy

        if cupy.cuda.runtime.getDeviceCount() < 2:
            pytest.skip("this machine has one GPU")
    # In one process: each would compile the same kernels again.
    tried = "\n".join(f"try_({name!r}, {case!r})" for name, case in CASES.items())
    assert in_a_new_process(f"{START}{tried}", CUPY_ON_CPU_DEVICES="2") == ""
