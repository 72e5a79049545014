/* A test bench: an MXFP4 quantizer in C against hex vectors, as a hardware team would write it.
 *
 *     mxfp4_bench FOLDER
 *
 * prints "PASS n" or the first wrong vector of every clause, and exits with 0 or 1. -DBREAK=n plants a defect:
 * 1 ties away from zero, 2 -0 becomes +0, 3 the exponent is not clamped below, 4 NaN does not spread.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef BREAK
#define BREAK 0
#endif

enum { BLOCK = 32 };

static const float MAGNITUDES[8] = {0.0f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 4.0f, 6.0f};

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t to_bits(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return isnan(value) ? 0x7fc00000u : bits;
}

/* The code of |y|, to nearest, ties to the even code; the index is the code. */
static unsigned encode(double magnitude) {
    unsigned code = 0;
    while (code < 7) {
        double middle = (MAGNITUDES[code] + MAGNITUDES[code + 1]) / 2.0;
        int tie_goes_up = BREAK == 1 || code % 2 == 1;
        if (magnitude < middle || (magnitude == middle && !tie_goes_up)) break;
        code++;
    }
    return code;
}

/* One block: the codes, and the E8M0 scale as the result. */
static unsigned quantize(const uint32_t *input, unsigned *codes) {
    float amax = 0.0f;
    int bad = 0;
    for (int i = 0; i < BLOCK; i++) {
        float x = from_bits(input[i] & 0x7fffffffu);
        bad |= !isfinite(x);
        if (x > amax) amax = x;
    }
    if (bad && BREAK != 4) {
        memset(codes, 0, BLOCK * sizeof *codes);
        return 0xff;
    }
    int exponent = -127;
    if (amax > 0.0f) exponent = ilogbf(amax) - 2;
    if (exponent < -127 && BREAK != 3) exponent = -127;
    for (int i = 0; i < BLOCK; i++) {
        double y = ldexp((double)from_bits(input[i]), -exponent);
        codes[i] = encode(fabs(y)) | (input[i] >> 31) << 3;
        if (BREAK == 2 && codes[i] == 8) codes[i] = 0;
    }
    return (unsigned)(exponent + 127) & 0xff;
}

static float decode(unsigned code, unsigned scale) {
    if (scale == 0xff) return from_bits(0x7fc00000u);
    float magnitude = (float)ldexp((double)MAGNITUDES[code & 7], (int)scale - 127);
    return code & 8 ? -magnitude : magnitude;
}

static FILE *opened(const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(2);
    }
    return file;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    FILE *inputs = opened(arguments[1], "inputs.hex"), *codes = opened(arguments[1], "codes.hex");
    FILE *scales = opened(arguments[1], "scales.hex"), *values = opened(arguments[1], "values.hex");
    FILE *clauses = opened(arguments[1], "clauses.txt");
    char clause[64], reported[64] = "";
    int vector = 0, failed = 0;
    while (fscanf(clauses, "%63s", clause) == 1) {
        uint32_t input[BLOCK], value;
        unsigned wanted[BLOCK], got[BLOCK], scale;
        int wrong = 0;
        for (int i = 0; i < BLOCK; i++)
            if (fscanf(inputs, "%x", &input[i]) != 1 || fscanf(codes, "%x", &wanted[i]) != 1) return 2;
        if (fscanf(scales, "%x", &scale) != 1) return 2;
        wrong |= quantize(input, got) != scale;
        for (int i = 0; i < BLOCK; i++) {
            if (fscanf(values, "%x", &value) != 1) return 2;
            wrong |= got[i] != wanted[i] || to_bits(decode(wanted[i], scale)) != value;
        }
        if (wrong && strcmp(clause, reported)) printf("FAIL %s vector %d\n", strcpy(reported, clause), vector);
        failed += wrong;
        vector++;
    }
    if (!failed) printf("PASS %d\n", vector);
    return failed != 0;
}
