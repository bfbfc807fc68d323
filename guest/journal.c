/*
 * The journal: a ring of sectors, one record a tick, at the place that the counter says.
 *
 * Whoever writes a place reads it first. It must hold this guest's record of one round before, or
 * nothing in the first round. Should a second copy of this guest run, then of the two that write
 * the same counter the later one finds the other's record, and counts a conflict for good.
 */
#include "guest.h"

#define MAGIC 0x4a575447u /* "GTWJ" */

struct record {
    uint32_t magic;
    uint32_t guest;
    struct status status;
    uint32_t sum; /* of all words before this one */
    uint8_t zero[SECTOR_BYTES - 2 * 4 - sizeof(struct status) - 4];
};
_Static_assert(sizeof(struct record) == SECTOR_BYTES, "a record is a sector");

static struct record record;

static uint32_t sum_of(const struct record *record)
{
    const uint32_t *word = (const uint32_t *)record;
    uint32_t sum = 0;
    while (word < &record->sum)
        sum = (sum << 1 | sum >> 31) ^ *word++;
    return sum;
}

static bool written(const struct record *record)
{
    return record->magic == MAGIC && record->sum == sum_of(record);
}

static bool read_slot(uint32_t slot)
{
    return disk_read(&journal_disk, slot, 1, &record);
}

/* Is the record of `counter` in its place? It is left in `record`. */
static bool has(uint32_t counter)
{
    return read_slot(counter % parameters.journal_slots) && written(&record) &&
           record.status.counter == counter;
}

/* Goes on where an earlier boot ended: at the last counter of the newest round. */
void journal_open(void)
{
    uint32_t low = 0;
    status.boot = 1;
    /* The first counter is 1: only the end of the first round fills place 0. */
    if (read_slot(0) && written(&record)) {
        low = record.status.counter;
        status.boot = record.status.boot + 1;
    }
    uint32_t high = low + parameters.journal_slots;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (has(middle)) {
            low = middle;
            status.boot = record.status.boot + 1;
        } else {
            high = middle;
        }
    }
    status.counter = low;
}

void journal_append(void)
{
    uint32_t slot = status.counter % parameters.journal_slots;
    if (!read_slot(slot))
        return;
    bool first_round = status.counter <= parameters.journal_slots; /* the first counter is 1 */
    bool mine = record.guest == parameters.guest &&
                record.status.counter == status.counter - parameters.journal_slots;
    bool expected = first_round ? record.magic == 0 : written(&record) && mine;
    if (!expected)
        status.conflicts++;

    record = (struct record){.magic = MAGIC, .guest = parameters.guest, .status = status};
    record.sum = sum_of(&record);
    disk_write(&journal_disk, slot, 1, &record);
}
