/* Interrupts, so that the guest sleeps while it waits, and leaves the processor to others. */
#include "guest.h"

enum {
    PIC1 = 0x20,
    PIC2 = 0xa0,
    PIT_CHANNEL_0 = 0x40,
    PIT_COMMAND = 0x43,
    PIT_FREQUENCY = 1193182,
    FAULTS = 32, /* the processor's own interrupts come first */
    TIMER = FAULTS,
    DISKS = FAULTS + 14, /* two of them */
    GATES = DISKS + 2,
};

struct gate {
    uint16_t offset_low, selector, flags, offset_high;
} __attribute__((packed));

static struct gate gates[GATES];
volatile uint32_t timer_count;
static uint32_t last_wake;

void on_timer(void);
void on_disk(void);
void on_fault(void);

static void set_gate(struct gate *gate, void (*handler)(void))
{
    uint32_t address = (uint32_t)handler;
    *gate = (struct gate){address & 0xffff, 8, 0x8e00, address >> 16};
}

static void remap_interrupts(void)
{
    static const uint8_t words[][2] = {
        {PIC1, 0x11},       {PIC2, 0x11},           /* initialize */
        {PIC1 + 1, FAULTS}, {PIC2 + 1, FAULTS + 8}, /* number of the first interrupt */
        {PIC1 + 1, 4},      {PIC2 + 1, 2},          /* how they are cascaded */
        {PIC1 + 1, 1},      {PIC2 + 1, 1},          /* 8086 mode */
        {PIC1 + 1, 0xfa},   {PIC2 + 1, 0x3f},       /* let through timer, second one, disks */
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        out8(words[i][0], words[i][1]);
}

void timer_start(void)
{
    for (int i = 0; i < FAULTS; i++)
        set_gate(&gates[i], on_fault);
    set_gate(&gates[TIMER], on_timer);
    set_gate(&gates[DISKS], on_disk);
    set_gate(&gates[DISKS + 1], on_disk);
    struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) table = {sizeof gates - 1, (uint32_t)gates};
    __asm__ volatile("lidt %0" : : "m"(table));

    remap_interrupts();
    uint16_t divisor = PIT_FREQUENCY / TIMER_HZ;
    out8(PIT_COMMAND, 0x34); /* channel 0, rate generator */
    out8(PIT_CHANNEL_0, divisor & 0xff);
    out8(PIT_CHANNEL_0, divisor >> 8);
    __asm__ volatile("sti");
}

/* Sleeps until an interrupt, 1/100 s at most. */
void timer_sleep(void)
{
    __asm__ volatile("sti; hlt");
}

/*
 * Sleeps until `interval` hundredths of a second after the last wake. A tick that took longer
 * delays those after it: none is made up for.
 */
void timer_wait(uint32_t interval)
{
    while (timer_count - last_wake < interval)
        timer_sleep();
    last_wake = timer_count;
}
