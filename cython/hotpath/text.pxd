# SPDX-License-Identifier: Apache-2.0
"""Literals and numbers into a buffer; each function returns the place behind what it wrote."""

from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef extern from * nogil:
    """
    #include <string.h>

    static const char text_two_digits[] =
        "00010203040506070809101112131415161718192021222324"
        "25262728293031323334353637383940414243444546474849"
        "50515253545556575859606162636465666768697071727374"
        "75767778798081828384858687888990919293949596979899";

    /* Always inlined, so that the length of a literal is a constant and the copy a few moves. */
    static inline __attribute__((always_inline)) char *text_put(char *out, const char *literal)
    {
        size_t length = __builtin_strlen(literal);

        __builtin_memcpy(out, literal, length);
        return out + length;
    }
    """
    const char *two_digits "text_two_digits"
    char *put "text_put"(char *out, const char *literal) noexcept


cdef inline char *put_2_digits(char *out, uint32_t value) noexcept nogil:
    memcpy(out, two_digits + 2 * value, 2)
    return out + 2


cdef inline char *put_4_digits(char *out, uint32_t value) noexcept nogil:
    memcpy(out, two_digits + 2 * (value // 100), 2)
    memcpy(out + 2, two_digits + 2 * (value % 100), 2)
    return out + 4


cdef inline char *put_8_digits(char *out, uint32_t value) noexcept nogil:
    put_4_digits(out, value // 10_000)
    return put_4_digits(out + 4, value % 10_000)


cdef inline char *put_below_10000(char *out, uint32_t value) noexcept nogil:
    if value >= 100:
        if value >= 1000:
            return put_4_digits(out, value)
        out[0] = <char>(48 + value // 100)
        return put_2_digits(out + 1, value % 100)
    if value >= 10:
        return put_2_digits(out, value)
    out[0] = <char>(48 + value)
    return out + 1


cdef inline char *put_u32(char *out, uint32_t value) noexcept nogil:
    if value < 10_000:
        return put_below_10000(out, value)
    if value < 100_000_000:
        out = put_below_10000(out, value // 10_000)
        return put_4_digits(out, value % 10_000)
    out = put_below_10000(out, value // 100_000_000)
    return put_8_digits(out, value % 100_000_000)


cdef inline char *put_u64(char *out, uint64_t value) noexcept nogil:
    if value < 100_000_000:
        return put_u32(out, <uint32_t>value)
    if value < 10_000_000_000_000_000ULL:
        out = put_u32(out, <uint32_t>(value // 100_000_000))
        return put_8_digits(out, <uint32_t>(value % 100_000_000))
    out = put_u32(out, <uint32_t>(value // 10_000_000_000_000_000ULL))
    value %= 10_000_000_000_000_000ULL
    out = put_8_digits(out, <uint32_t>(value // 100_000_000))
    return put_8_digits(out, <uint32_t>(value % 100_000_000))
