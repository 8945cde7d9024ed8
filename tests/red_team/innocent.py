"""Right submissions that look odd: they keep every mark. Stock nbgrader takes marks from some, and gives none away."""

from red_team import RIGHT_BACKWARD, RIGHT_FORWARD, Case, beside_right, full

CASES = [
    beside_right(
        "magics",
        "uses %matplotlib, %timeit, !ls and the output of a command in the cell that is marked",
        """
%matplotlib inline
!ls
files = !ls
%timeit -n 1 -r 1 sum(range(10))
%time total = sum(range(10))
import matplotlib.pyplot as plt
plt.plot([1, 2])
plt.show()
""",
    ),
    beside_right(
        "threads",
        "computes in threads",
        """
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(4) as pool:
    squares = list(pool.map(lambda value: value**2, range(100)))
""",
    ),
    beside_right(
        "warnings_and_standard_error",
        "warns, logs and writes to the standard error stream",
        """
import logging, warnings
warnings.warn("careful")
warnings.simplefilter("error")
logging.warning("careful")
print("careful", file=sys.stderr)
np.seterr(all="raise")
""",
    ),
    beside_right(
        "half_a_character", "prints a character that no file can hold", 'print("\\ud800", chr(0), "\\x1b[31m")'
    ),
    beside_right(
        "last_lines",
        "asks for input, leaves, shows help",
        "try:\n    input('?')\nexcept Exception:\n    pass\nnp.sum?\nexit()\n",
    ),
    Case(
        "slow",
        "takes its time for each call",
        {
            "batchnorm_forward": f"import time\n{RIGHT_FORWARD}\nright = batchnorm_forward\n\n"
            "def batchnorm_forward(*args):\n    time.sleep(0.03)\n    return right(*args)"
        },
        full("forward"),
    ),
    Case(
        "prints_a_lot",
        "prints its arrays in each call, and draws",
        {
            "batchnorm_forward": f"import matplotlib.pyplot as plt\n{RIGHT_FORWARD}\nright = batchnorm_forward\n\n"
            "def batchnorm_forward(*args):\n    print(args)\n    plt.figure()\n    return right(*args)"
        },
        full("forward"),
    ),
    Case(
        "backward_in_threads",
        "backward: sums in threads, and warns",
        {
            **RIGHT_BACKWARD,
            "batchnorm_backward": """
import warnings
from concurrent.futures import ThreadPoolExecutor

def batchnorm_backward(dout, cache):
    warnings.warn("slow", stacklevel=1)
    x, x_hat, mu, var, inv_std, gamma, eps = cache
    with ThreadPoolExecutor(2) as pool:
        dgamma, dbeta = pool.map(lambda a: a.sum(axis=0), (dout * x_hat, dout))
    return gamma * inv_std * (dout - dbeta / len(dout) - x_hat * dgamma / len(dout)), dgamma, dbeta
""",
        },
        full("backward"),
        "backward",
    ),
]
