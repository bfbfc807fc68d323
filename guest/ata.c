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

    WITHOUT_INTERRUPTS = 2,
    PATIENCE = 60 * TIMER_HZ,
};

const struct disk boot_disk = {0x1f0, 0x3f6};
const struct disk journal_disk = {0x170, 0x376};

/* Waits until the drive is not busy and shows `flag`. */
static bool await(const struct disk *disk, uint8_t flag)
{
    uint32_t start = timer_count;
    while (timer_count - start < PATIENCE) {
        uint8_t now = in8(disk->port + STATUS);
        if (now & BUSY)
            continue;
        if (now & FAILED)
            break;
        if (now & flag)
            return true;
    }
    status.errors++;
    return false;
}

static bool begin(const struct disk *disk, uint8_t command, uint32_t sector, uint32_t count)
{
    out8(disk->control, WITHOUT_INTERRUPTS);
    out8(disk->port + DRIVE, 0xe0 | (sector >> 24 & 0xf));
    if (!await(disk, READY))
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
        if (!await(disk, WANTS_DATA))
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
        if (!await(disk, WANTS_DATA))
            return false;
        uint32_t words = SECTOR_BYTES / 4;
        __asm__ volatile("rep outsl" : "+S"(from), "+c"(words) : "d"(disk->port + DATA) : "memory");
    }
    return await(disk, READY);
}
