/* The memory under test: all of it from 2 MiB on, as far as the parameters say. */
#include "guest.h"

static struct cycle cycle = {.generation = 1};

static uint32_t *page(uint32_t number)
{
    return (uint32_t *)(0x200000 + number * PAGE_BYTES);
}

static void check(uint32_t number)
{
    if (!pattern_holds(page(number), number, cycle_generation(&cycle, number)))
        status.wrong++;
}

void memory_fill(void)
{
    cycle.length = parameters.memory_pages;
    for (uint32_t number = 0; number < cycle.length; number++)
        pattern_fill(page(number), number, cycle.generation);
}

void memory_tick(void)
{
    if (cycle.length == 0)
        return;
    for (uint32_t i = 0; i < parameters.pages_per_tick; i++) {
        uint32_t number = cycle.next;
        check(number);
        pattern_fill(page(number), number, cycle_generation(&cycle, number) + 1);
        cycle_rewrote(&cycle);
        status.dirtied++;
    }
    for (uint32_t i = 0; i < parameters.checks_per_tick; i++) {
        check(cycle.checked);
        if (cycle_checked(&cycle))
            status.scans++;
    }
}
