/* One tick after another, for ever. */
#include "guest.h"

struct status status;

static void stop(const char *why)
{
    serial_text(why);
    for (;;)
        __asm__ volatile("cli; hlt");
}

void main(void)
{
    serial_start();
    if (parameters.magic != PARAMETERS_MAGIC)
        stop("no parameters\n");
    if (!firmware_find_epoch())
        stop("no epoch\n");
    timer_start();
    memory_fill();
    journal_open();

    for (;;) {
        status.counter++;
        status.epoch = firmware_epoch();
        memory_tick();
        storage_tick();
        journal_append();
        if (status.counter % parameters.ticks_per_line == 0)
            serial_status();
        timer_wait(parameters.tick_interval);
    }
}
