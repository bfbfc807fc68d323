/* Disk sectors by programmed input and output: slow, and with no state but the drive's own. */
#include "guest.h"

enum {
    DATA = 0,
    SECTOR_COUNT = 2,
    LBA_LOW = 3,
    LBA_MIDDLE = 4,
    LBA_HIGH = 5,
    DRIVE = 6,
    COMMAND = 7, /* when written */
    STATUS = 7,  /* when read */

    READ_SECTORS = 0x20,
    WRITE_SECTORS = 0x30,

    FAILED = 0x21, /* error or device fault */
    WANTS_DATA = 0x08,
    READY = 0x40,
    BUSY = 0x80,

    WITH_INTERRUPTS = 0,
    PATIENCE = 60 * TIMER_HZ,
};

const struct disk boot_disk = {0x1f0, 0x3f6};
const struct disk journal_disk = {0x170, 0x376};

/*
 * Waits until the drive is not busy and shows `flag`, and none of `failed`. Interrupts are off between the look at the
 * drive and the sleep, so that none comes in between and is missed.
 */
static bool await(const struct disk *disk, uint8_t flag, uint8_t failed)
{
    uint32_t start = timer_count;
    bool shown = false;
    while (timer_count - start < PATIENCE) {
        __asm__ volatile("cli");
        uint8_t now = in8(disk->port + STATUS);
        bool busy = now & BUSY; /* then the other bits mean nothing */
        shown = !busy && now & flag && !(now & failed);
        if (shown || (!busy && now & failed))
            break;
        timer_sleep();
    }
    __asm__ volatile("sti");
    status.errors += !shown;
    return shown;
}

static bool begin(const struct disk *disk, uint8_t command, uint32_t sector, uint32_t count)
{
    out8(disk->control, WITH_INTERRUPTS);
    out8(disk->port + DRIVE, 0xe0 | (sector >> 24 & 0xf));
    /* A failure of the last command shows until the next one. */
    if (!await(disk, READY, 0))
        return false;
    out8(disk->port + SECTOR_COUNT, count);
    out8(disk->port + LBA_LOW, sector);
    out8(disk->port + LBA_MIDDLE, sector >> 8);
    out8(disk->port + LBA_HIGH, sector >> 16);
    out8(disk->port + COMMAND, command);
    return true;
}

bool disk_read(const struct disk *disk, uint32_t sector, uint32_t count, void *to)
{
    if (!begin(disk, READ_SECTORS, sector, count))
        return false;
    while (count--) {
        if (!await(disk, WANTS_DATA, FAILED))
            return false;
        uint32_t words = SECTOR_BYTES / 4;
        __asm__ volatile("rep insl" : "+D"(to), "+c"(words) : "d"(disk->port + DATA) : "memory");
    }
    return true;
}

bool disk_write(const struct disk *disk, uint32_t sector, uint32_t count, const void *from)
{
    if (!begin(disk, WRITE_SECTORS, sector, count))
        return false;
    while (count--) {
        if (!await(disk, WANTS_DATA, FAILED))
            return false;
        uint32_t words = SECTOR_BYTES / 4;
        __asm__ volatile("rep outsl" : "+S"(from), "+c"(words) : "d"(disk->port + DATA) : "memory");
    }
    return await(disk, READY, FAILED);
}
