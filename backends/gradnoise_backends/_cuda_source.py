"""The stream as CUDA C++, which CuPy compiles for a GPU, and the tests for the processor at hand.

It needs no header: of CUDA it uses the index variables, a few intrinsics, and two conversions of
16-bit floats that are one instruction each. Where ``__CUDACC__`` is undefined, who includes it
defines all of these.
"""

__all__ = ["SOURCE"]

SOURCE = r"""
typedef unsigned int word;
typedef unsigned long long wide;

#ifdef __CUDACC__
__device__ inline float half_to_float(unsigned short h) {
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
    return x;
}
__device__ inline unsigned short float_to_half(float x) {
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
    return h;
}
#endif

#define ROUND(r) x0 += x1; x1 = (x1 << r | x1 >> (32 - r)) ^ x0;
#define ROUNDS(p, q, r, s) ROUND(p) ROUND(q) ROUND(r) ROUND(s)

// Threefry-2x32 with 20 rounds.
__device__ inline void threefry(word k0, word k1, wide counter, word* out) {
    word k2 = k0 ^ k1 ^ 0x1BD11BDAu;
    word x0 = (word)(counter >> 32) + k0, x1 = (word)counter + k1;
    ROUNDS(13, 15, 26, 6) x0 += k1; x1 += k2 + 1u;
    ROUNDS(17, 29, 16, 24) x0 += k2; x1 += k0 + 2u;
    ROUNDS(13, 15, 26, 6) x0 += k0; x1 += k1 + 3u;
    ROUNDS(17, 29, 16, 24) x0 += k1; x1 += k2 + 4u;
    ROUNDS(13, 15, 26, 6) out[0] = x0 + k2; out[1] = x1 + k0 + 5u;
}

// The table's quantile of a word. f * b is exact, so it does not matter if it is contracted.
__device__ inline float quantile(word w, const float* a, const float* b) {
    int m = (int)w ^ ((int)w >> 31);
    int bits = __float_as_int(__fadd_rn(__int2float_rn(m), 0.5f));
    int segment = (bits >> 14) - (126 << 9);
    float f = __int2float_rn((bits >> 2) & 4095);
    float z = a[segment] + f * b[segment];
    // Words with the top bit clear are the negative half.
    return (int)w < 0 ? z : -z;
}

// g + sigma * z, rounded twice: these intrinsics are never contracted.
__device__ inline float noisy(float g, float sigma, float z) {
    return __fadd_rn(g, __fmul_rn(sigma, z));
}
__device__ inline double noisy(double g, double sigma, float z) {
    return __dadd_rn(g, __dmul_rn(sigma, (double)z));
}
__device__ inline unsigned short noisy(unsigned short g, float sigma, float z) {
    return float_to_half(noisy(half_to_float(g), sigma, z));
}

// Elements [start, start + n) of a leaf, a row for each key; a thread draws pairs. Without g,
// z itself; without keys, the one key k0, k1; without sigmas, sigma in every row.
template <typename T, typename S>
__device__ inline void draw_range(
    T* out, float* normals, const T* g, S sigma, const S* sigmas, wide spread,
    word k0, word k1, const word* keys0, const word* keys1,
    const float* a, const float* b, wide start, wide n, wide rows) {
    wide odd = start & 1, pairs = (n + odd + 1) / 2, step = (wide)gridDim.x * blockDim.x;
    for (wide row = blockIdx.y; row < rows; row += gridDim.y) {
        if (keys0) { k0 = keys0[row]; k1 = keys1[row]; }
        if (sigmas) sigma = sigmas[row * spread];
        for (wide p = (wide)blockIdx.x * blockDim.x + threadIdx.x; p < pairs; p += step) {
            word words[2];
            threefry(k0, k1, start / 2 + p, words);
            for (int lane = 0; lane < 2; ++lane) {
                wide at = 2 * p + lane - odd;  // the one before `start` wraps around, above n
                if (at >= n) continue;
                float z = quantile(words[lane], a, b);
                if (g) out[row * n + at] = noisy(g[row * n + at], sigma, z);
                else normals[row * n + at] = z;
            }
        }
    }
}

#define RANGE(name, T, S) extern "C" __global__ void name( \
    T* out, const T* g, S sigma, const S* sigmas, wide spread, \
    word k0, word k1, const word* keys0, const word* keys1, \
    const float* a, const float* b, wide start, wide n, wide rows) { \
    draw_range<T, S>(out, (float*)out, g, sigma, sigmas, spread, \
                     k0, k1, keys0, keys1, a, b, start, n, rows); \
}
RANGE(draw_float32, float, float)
RANGE(draw_float64, double, double)
RANGE(draw_float16, unsigned short, float)

// Element index[i] of leaf leaf[i], for n of them, a row for each row of keys.
extern "C" __global__ void draw_leaves(
    float* out, const word* keys0, const word* keys1, const int* leaf, const wide* index,
    const float* a, const float* b, wide n, wide leaves, wide rows) {
    wide step = (wide)gridDim.x * blockDim.x;
    for (wide row = blockIdx.y; row < rows; row += gridDim.y) {
        for (wide i = (wide)blockIdx.x * blockDim.x + threadIdx.x; i < n; i += step) {
            wide key = row * leaves + leaf[i];
            word words[2];
            threefry(keys0[key], keys1[key], index[i] / 2, words);
            out[row * n + i] = quantile(words[index[i] & 1], a, b);
        }
    }
}
"""
