/* The two functions that a compiler may call where the source does not. */
#include "guest.h"

void *memset(void *to, int value, size_t length)
{
    void *end = to;
    __asm__ volatile("rep stosb" : "+D"(end), "+c"(length) : "a"(value) : "memory");
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    void *end = to;
    __asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(length) : : "memory");
    return to;
}
