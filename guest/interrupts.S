/*
 * What the three kinds of interrupt do: the timer's is counted, a disk's only wakes who waits for
 * it, a fault ends the guest.
 */
    .text
    .globl on_timer
on_timer:
    pushl   %eax
    incl    timer_count
    movb    $0x20, %al              /* end of interrupt */
    outb    %al, $0x20
    popl    %eax
    iretl

    .globl on_disk
on_disk:
    pushl   %eax
    movb    $0x20, %al              /* end of interrupt, at both controllers */
    outb    %al, $0xa0
    outb    %al, $0x20
    popl    %eax
    iretl

    .globl on_fault
on_fault:
    cli
    call    report_fault
1:  hlt
    jmp     1b
