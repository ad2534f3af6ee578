"""The logistic step as one CUDA kernel that reads X once: a contender on a GPU, set against `by_tiles` there.

A block takes every so many-th row. Its threads hold the row, COLUMNS features each, in registers between the product
that gives z and the one that adds dz x to the block's own dw; blocks are summed at the end, in an order that is always
the same.
"""

# As many as leave a thread the registers that it needs: x, w and dw of 12 columns in the 64 of a block of 1024.
THREADS, MOST_COLUMNS = (64, 128, 256, 512, 1024), 12

SOURCE = r"""
extern "C" __global__ void __launch_bounds__(THREADS) one_pass(
    const real* X, const real* y, const real* w, const real* b, long long m, int n, real* dw, real* sums)
{
    // Two of them in turn: a fast warp writes the next row's while a slow one still reads this row's.
    __shared__ real parts[2][32];
    real x[COLUMNS], mine[COLUMNS];
    for (int k = 0; k < COLUMNS; k++) mine[k] = 0;
    real loss = 0, slope = 0;
    int turn = 0;
    for (long long i = blockIdx.x; i < m; i += gridDim.x) {
        real z = 0;
        for (int k = 0; k < COLUMNS; k++) {
            int j = threadIdx.x + k * blockDim.x;
            x[k] = j < n ? X[i * n + j] : real(0);
        }
        for (int k = 0; k < COLUMNS; k++) {
            int j = threadIdx.x + k * blockDim.x;
            if (j < n) z += x[k] * w[j];
        }
        for (int d = 16; d > 0; d /= 2) z += __shfl_xor_sync(0xffffffff, z, d);
        if (threadIdx.x % 32 == 0) parts[turn][threadIdx.x / 32] = z;
        __syncthreads();
        z = *b;
        for (int k = 0; k < blockDim.x / 32; k++) z += parts[turn][k];
        turn = 1 - turn;
        real e = exp(-fabs(z));
        real dz = (z >= 0 ? real(1) : e) / (1 + e) - y[i];
        for (int k = 0; k < COLUMNS; k++) mine[k] += dz * x[k];
        loss += (z >= 0 ? 1 - y[i] : -y[i]) * z + log1p(e);
        slope += dz;
    }
    for (int k = 0; k < COLUMNS; k++) {
        int j = threadIdx.x + k * blockDim.x;
        if (j < n) dw[(long long)blockIdx.x * n + j] = mine[k];
    }
    if (threadIdx.x == 0) {
        sums[2 * blockIdx.x] = loss;
        sums[2 * blockIdx.x + 1] = slope;
    }
}
"""


def shape_of(n):
    """Return how many threads a block has for rows of n features, and how many columns each thread holds."""
    for threads in THREADS:
        if -(-n // threads) <= MOST_COLUMNS:
            return threads, -(-n // threads)
    raise ValueError(f"one_pass: a row may have up to {THREADS[-1] * MOST_COLUMNS} features, got {n}")


def with_one_pass(put, X, y, w, b):
    import cupy

    from chainrule.backend.namespaces import to_numpy

    X, y, w, b = map(put, (X, y, w, b))
    m, n = X.shape
    threads, columns = shape_of(n)
    number = {"float32": "float", "float64": "double"}[X.dtype.name]
    options = (f"-Dreal={number}", f"-DTHREADS={threads}", f"-DCOLUMNS={columns}")
    kernel = cupy.RawKernel(SOURCE, "one_pass", options=options)
    blocks = min(m, 2 * X.device.attributes["MultiProcessorCount"])
    dw, sums = cupy.empty((blocks, n), X.dtype), cupy.empty((blocks, 2), X.dtype)

    def step():
        kernel((blocks,), (threads,), (X, y, w, b, cupy.int64(m), cupy.int32(n), dw, sums))
        cost, db = sums.sum(axis=0) / m
        return cost, dw.sum(axis=0) / m, db

    return step, lambda out: [to_numpy(part) for part in out]
