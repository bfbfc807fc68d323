/* What the parts of the guest know of each other. All numbers on disks are little-endian. */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAGE_BYTES = 4096, SECTOR_BYTES = 512, TIMER_HZ = 100 };

/* Sector 1 of the boot disk. */
struct parameters {
    uint32_t magic;           /* PARAMETERS_MAGIC */
    uint32_t guest;           /* this guest's number, in every record and line */
    uint32_t tick_interval;   /* of a tick, in hundredths of a second */
    uint32_t ticks_per_line;  /* a status line at every how many ticks */
    uint32_t memory_pages;    /* pages filled and checked, from 2 MiB on */
    uint32_t pages_per_tick;  /* verified and rewritten at every tick */
    uint32_t checks_per_tick; /* pages verified at every tick besides those */
    uint32_t data_sector;     /* first sector of the boot disk that holds data blocks */
    uint32_t data_blocks;     /* data blocks of 4 KiB; may be 0 */
    uint32_t blocks_per_tick; /* verified and rewritten at every tick */
    uint32_t journal_slots;   /* sectors of the journal disk, used in turn */
};
#define PARAMETERS_MAGIC 0x54575447u /* "GTWT" */
extern const struct parameters parameters;

/* What the guest has seen since it booted. */
struct status {
    uint32_t boot;      /* 1 at the first boot on this journal, one more at each later one */
    uint32_t epoch;     /* of the host that runs us */
    uint32_t counter;   /* ticks, over all boots */
    uint32_t wrong;     /* pages and blocks that did not hold what they must */
    uint32_t conflicts; /* places in the journal that somebody else had written */
    uint32_t errors;    /* disk commands that failed */
    uint32_t scans;     /* times that every page has been verified */
    uint32_t dirtied;   /* pages rewritten */
};
extern struct status status;

/* A disk at one of the two IDE channels. */
struct disk {
    uint16_t port;
    uint16_t control;
};
extern const struct disk boot_disk, journal_disk;
bool disk_read(const struct disk *disk, uint32_t sector, uint32_t count, void *to);
bool disk_write(const struct disk *disk, uint32_t sector, uint32_t count, const void *from);

bool firmware_find_epoch(void);
uint32_t firmware_epoch(void);

/* What the 4 KiB numbered `number` hold in their generation `generation`. */
void pattern_fill(uint32_t *page, uint32_t number, uint32_t generation);
bool pattern_holds(const uint32_t *page, uint32_t number, uint32_t generation);

/* A ring that is rewritten in order: tells the generation each place must be in. */
struct cycle {
    uint32_t length;
    uint32_t generation; /* of the places not yet reached in this round */
    uint32_t next;       /* the place that is rewritten next */
    uint32_t checked;    /* the place that is verified next */
};
uint32_t cycle_generation(const struct cycle *cycle, uint32_t place);
void cycle_rewrote(struct cycle *cycle);
bool cycle_checked(struct cycle *cycle);

void memory_fill(void);
void memory_tick(void);
void storage_tick(void);

void journal_open(void);
void journal_append(void);

void timer_start(void);
void timer_sleep(void);
void timer_wait(uint32_t interval);
extern volatile uint32_t timer_count;

void serial_start(void);
void serial_status(void);
void serial_text(const char *text);
__attribute__((noreturn)) void report_fault(void);

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#endif
