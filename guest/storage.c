/*
 * Data blocks of the boot disk, for moves that copy it. Each is verified just before it is
 * rewritten, but not before this boot has written it: what an earlier one left is not known.
 */
#include "guest.h"

enum { BLOCK_SECTORS = PAGE_BYTES / SECTOR_BYTES };
#define NUMBERS_FROM 0x80000000u /* so that no block looks like a page of memory */

static struct cycle cycle;
static uint32_t block[PAGE_BYTES / 4];

static uint32_t sector(uint32_t number)
{
    return parameters.data_sector + number * BLOCK_SECTORS;
}

static void check(uint32_t number)
{
    uint32_t generation = cycle_generation(&cycle, number);
    if (generation == 0 || !disk_read(&boot_disk, sector(number), BLOCK_SECTORS, block))
        return;
    if (!pattern_holds(block, NUMBERS_FROM + number, generation))
        status.wrong++;
}

void storage_tick(void)
{
    cycle.length = parameters.data_blocks;
    if (cycle.length == 0)
        return;
    for (uint32_t i = 0; i < parameters.blocks_per_tick; i++) {
        uint32_t number = cycle.next;
        check(number);
        pattern_fill(block, NUMBERS_FROM + number, cycle_generation(&cycle, number) + 1);
        if (!disk_write(&boot_disk, sector(number), BLOCK_SECTORS, block))
            return;
        cycle_rewrote(&cycle);
    }
}
