/* The host's epoch, from QEMU's firmware configuration. */
#include "guest.h"

enum { SELECTOR = 0x510, DATA = 0x511, DIRECTORY = 0x19, MOST_ENTRIES = 256 };

static const char entry_name[] = "opt/godwit/epoch";
static uint16_t epoch_key;

/* An entry of the directory, whose numbers are big-endian. */
struct entry {
    uint8_t size[4];
    uint8_t key[2];
    uint8_t reserved[2];
    char name[56];
};

static void read(void *to, size_t length)
{
    uint8_t *bytes = to;
    while (length--)
        *bytes++ = in8(DATA);
}

static bool named(const struct entry *entry)
{
    for (size_t i = 0; i < sizeof entry_name; i++)
        if (entry->name[i] != entry_name[i])
            return false;
    return true;
}

bool firmware_find_epoch(void)
{
    uint8_t count[4];
    out16(SELECTOR, DIRECTORY);
    read(count, sizeof count);
    for (uint32_t i = 0; i < count[3] + 256u * count[2] && i < MOST_ENTRIES; i++) {
        struct entry entry;
        read(&entry, sizeof entry);
        if (named(&entry)) {
            epoch_key = entry.key[0] << 8 | entry.key[1];
            return true;
        }
    }
    return false;
}

static uint32_t read_epoch(void)
{
    uint32_t epoch;
    out16(SELECTOR, epoch_key);
    read(&epoch, sizeof epoch);
    return epoch;
}

/* A move may fall between two bytes: believe what was read twice. */
uint32_t firmware_epoch(void)
{
    uint32_t epoch = read_epoch();
    for (;;) {
        uint32_t again = read_epoch();
        if (again == epoch)
            return epoch;
        epoch = again;
    }
}
