/*
 * Pages that do not compress and that can be checked without keeping a copy: a pseudo-random
 * sequence seeded by the page's number and generation. And the order in which they are rewritten,
 * which says what generation each must be in.
 */
#include "guest.h"

enum { WORDS = PAGE_BYTES / 4 };

static uint32_t seed(uint32_t number, uint32_t generation)
{
    uint32_t x = parameters.guest * 0x9e3779b9u ^ number * 0x85ebca6bu ^ generation * 0xc2b2ae35u;
    x ^= x >> 16;
    x *= 0x7feb352du;
    return x ^ x >> 15;
}

/* A linear congruential step: two instructions, where emulation makes each one count. */
static inline uint32_t next(uint32_t x)
{
    return x * 1664525u + 1013904223u;
}

void pattern_fill(uint32_t *page, uint32_t number, uint32_t generation)
{
    uint32_t x = seed(number, generation);
#pragma GCC unroll 16
    for (int i = 0; i < WORDS; i++)
        page[i] = x = next(x);
}

bool pattern_holds(const uint32_t *page, uint32_t number, uint32_t generation)
{
    uint32_t x = seed(number, generation);
    uint32_t difference = 0;
#pragma GCC unroll 16
    for (int i = 0; i < WORDS; i++)
        difference |= page[i] ^ (x = next(x));
    return difference == 0;
}

uint32_t cycle_generation(const struct cycle *cycle, uint32_t place)
{
    return cycle->generation + (place < cycle->next);
}

/* The place `next` has been rewritten, in the generation after its former one. */
void cycle_rewrote(struct cycle *cycle)
{
    if (++cycle->next == cycle->length) {
        cycle->next = 0;
        cycle->generation++;
    }
}

/* The place `checked` has been verified; true after the last of a round. */
bool cycle_checked(struct cycle *cycle)
{
    if (++cycle->checked < cycle->length)
        return false;
    cycle->checked = 0;
    return true;
}
