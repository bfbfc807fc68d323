/* What the two kinds of interrupt do: a timer tick is counted, a fault ends the guest. */
    .text
    .globl on_timer
on_timer:
    pushl   %eax
    incl    timer_count
    movb    $0x20, %al              /* end of interrupt */
    outb    %al, $0x20
    popl    %eax
    iretl

    .globl on_fault
on_fault:
    cli
    call    report_fault
1:  hlt
    jmp     1b
