/* The serial port: a status line now and then, for people and for the check after a test. */
#include "guest.h"

enum { PORT = 0x3f8, LINE_CONTROL = 3, LINE_STATUS = 5, ROOM = 0x20 };

static uint8_t sum;

static void put(char byte)
{
    while (!(in8(PORT + LINE_STATUS) & ROOM))
        ;
    out8(PORT, byte);
    sum ^= byte;
}

void serial_start(void)
{
    out8(PORT + 1, 0);                /* no interrupts */
    out8(PORT + LINE_CONTROL, 0x80);  /* the next two set the speed */
    out8(PORT, 1);                    /* 115200 */
    out8(PORT + 1, 0);
    out8(PORT + LINE_CONTROL, 3);     /* 8 bits, no parity */
    out8(PORT + 2, 7);                /* queues on and empty */
}

void serial_text(const char *text)
{
    while (*text)
        put(*text++);
}

static void number(const char *name, uint32_t value)
{
    char digits[10];
    int length = 0;
    do
        digits[length++] = '0' + value % 10;
    while (value /= 10);
    serial_text(name);
    while (length)
        put(digits[--length]);
}

/* Ends with the exclusive or of its bytes up to the last space, so that half a line is no line. */
void serial_status(void)
{
    static const char hex[] = "0123456789abcdef";
    sum = 0;
    number("guest=", parameters.guest);
    number(" boot=", status.boot);
    number(" epoch=", status.epoch);
    number(" counter=", status.counter);
    number(" wrong=", status.wrong);
    number(" conflicts=", status.conflicts);
    number(" errors=", status.errors);
    number(" scans=", status.scans);
    number(" dirty=", status.dirtied);
    uint8_t check = sum;
    serial_text(" sum=");
    put(hex[check >> 4]);
    put(hex[check & 15]);
    put('\n');
}

void report_fault(void)
{
    serial_text("fault\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}
