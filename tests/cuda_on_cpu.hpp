// Enough of CUDA to compile the kernels for the processor at hand. Each intrinsic is a call that
// is not inlined, so that no contraction reaches across it, as CUDA promises of its own.
#include <cstring>

#define __device__ static
#define __global__
#define INTRINSIC static __attribute__((noinline))

struct index_of_a_thread { unsigned x, y; };
static index_of_a_thread gridDim, blockDim, blockIdx, threadIdx;

extern "C" void place(unsigned grid_x, unsigned grid_y, unsigned block,
                      unsigned x, unsigned y, unsigned thread) {
    gridDim = {grid_x, grid_y};
    blockDim = {block, 1};
    blockIdx = {x, y};
    threadIdx = {thread, 0};
}

INTRINSIC float __fadd_rn(float x, float y) { return x + y; }
INTRINSIC float __fmul_rn(float x, float y) { return x * y; }
INTRINSIC double __dadd_rn(double x, double y) { return x + y; }
INTRINSIC double __dmul_rn(double x, double y) { return x * y; }
INTRINSIC float __int2float_rn(int x) { return (float)x; }
INTRINSIC int __float_as_int(float x) { int bits; std::memcpy(&bits, &x, 4); return bits; }

INTRINSIC float half_to_float(unsigned short h) {
    _Float16 x;
    std::memcpy(&x, &h, 2);
    return (float)x;
}
INTRINSIC unsigned short float_to_half(float x) {
    _Float16 half = (_Float16)x;
    unsigned short h;
    std::memcpy(&h, &half, 2);
    return h;
}
